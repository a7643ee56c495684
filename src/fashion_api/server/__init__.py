"""The process: sockets, workers, signals, logs, and the ASGI entry point."""
