"""Queue, overview and sources in memory, for `raylane.testing`: the same rules as in Redis, and no clock."""
