"""What all requests share: the model in force, its batcher, the test set."""
