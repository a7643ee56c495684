"""gRPC: a server, and a module for each of its services."""
