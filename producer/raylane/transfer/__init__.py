"""Sends large uploads straight to S3, and gets the files of answers from there, by addresses that a worker signs.

See docs/decisions/0032 and 0037.
"""
