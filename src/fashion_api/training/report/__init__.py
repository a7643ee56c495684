"""Draws and writes the card of a model."""
