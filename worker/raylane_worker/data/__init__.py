"""Access to the data of sessions: objects on S3, tables of the Glue catalog, and what files hold."""
