"""fashion-api: an async HTTP service that says which garment a small picture shows."""
