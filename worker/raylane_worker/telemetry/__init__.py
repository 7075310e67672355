"""What a worker reports about itself."""
