"""The strands agents that write code with a model."""
