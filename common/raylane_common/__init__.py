"""What the producer and the worker must agree on: errors, settings, the wire format, keys, queue, Ray client."""
