"""Protocols: a request head and a body to pixels and options, predictions to a body. Knows no web framework."""
