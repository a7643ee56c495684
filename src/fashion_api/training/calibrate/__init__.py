"""Fits the calibration of a model: temperature, prediction sets, novelty thresholds."""
