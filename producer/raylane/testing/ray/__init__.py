"""A test double of a Ray cluster over real HTTP: `FakeRay`, behind addresses that can fail."""
