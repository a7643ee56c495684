"""Writes what is known of a model: its card, its figures, and the summary in the terminal."""
