"""Measures of predictions and scores, computed with NumPy alone."""
