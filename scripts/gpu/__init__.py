"""Training of `standard`, `compact` and their teachers in PyTorch on one GPU; see docs/explanation/training.md."""
