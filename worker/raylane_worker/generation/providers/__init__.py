"""Makes the model of the agents, and explains the errors of its service."""
