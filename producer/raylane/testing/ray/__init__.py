"""A Ray cluster over real HTTP without Ray, for tests: `FakeRay` behind an `Address` that can break."""
