"""The built wheel with each extra, in empty environments."""
