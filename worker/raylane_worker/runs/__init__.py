"""Runs on Ray: ships and submits a version, follows its run until it ends, and collects the output."""
