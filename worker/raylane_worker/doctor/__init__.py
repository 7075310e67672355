"""The worker's part of `raylane doctor`: looks at what the jobs of a lane use. Each look is bounded and by itself.

See docs/decisions/0052.
"""
