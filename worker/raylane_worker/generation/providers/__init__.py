"""The model behind the agents, and the errors of its service."""
