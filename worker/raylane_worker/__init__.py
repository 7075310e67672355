"""The worker: it takes jobs from the lanes and runs them. See docs/decisions/0005."""
