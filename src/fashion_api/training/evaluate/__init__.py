"""Evaluates a model on the test set."""
