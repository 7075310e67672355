"""Runs on Ray: a version is shipped, submitted, followed to its end, and its output collected."""
