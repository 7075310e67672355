"""What a session reads: objects on S3, tables of the Glue catalog, and what a CSV holds."""
