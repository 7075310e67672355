"""What producers, the gateway and workers report about themselves in the same way."""
