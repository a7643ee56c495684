"""Scores a model."""
