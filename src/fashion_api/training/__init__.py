"""Offline training: recipes, fitting, calibration, evaluation, and the reports on models."""
