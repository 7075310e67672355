"""Access to Redis: the connection, the keys, the queue, and the stores of sources and settings."""
