"""`raylane doctor`: looks at everything that jobs need, and says what to do. See docs/decisions/0052."""
