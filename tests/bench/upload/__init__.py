"""Measures uploads beside boto3 and the AWS command line, and the reading of files beside bare libraries."""
