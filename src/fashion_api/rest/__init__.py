"""The HTTP carrier: FastAPI, its middleware and its routes."""
