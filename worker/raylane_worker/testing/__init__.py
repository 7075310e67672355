"""What the plugin of pytest starts: real servers and a worker, for the tests of services."""
