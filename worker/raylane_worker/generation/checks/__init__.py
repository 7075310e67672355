"""The static checks that code must pass before it may run. See docs/decisions/0004."""
