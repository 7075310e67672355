"""Helpers that tests of several layers share: servers, clusters, waiting, certificates."""
