"""Sends large uploads straight to S3, in parts whose addresses a worker signs. See docs/decisions/0032."""
