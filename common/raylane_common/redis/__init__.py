"""Everything that Redis holds: the connection, the keys, the queue, and the stores of sources and settings."""
