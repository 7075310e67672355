"""The data of a session: objects on S3, tables of the Glue catalog, and the profile of a CSV."""
