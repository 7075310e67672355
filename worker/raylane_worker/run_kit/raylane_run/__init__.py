"""Is shipped with a generated script, starts it, and reads tables for it. Imports nothing of Raylane."""
