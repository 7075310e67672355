"""Access to the data of sessions: objects on S3, tables of the Glue catalog, and the profile of a CSV."""
