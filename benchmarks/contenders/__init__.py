"""The servers that are compared, each run by the Python of its own environment."""
