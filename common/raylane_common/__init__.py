"""What the producer and the worker share: errors, settings, the wire format, the queue and the Ray client.

See docs/decisions/0005.
"""
