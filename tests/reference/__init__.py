"""What three public servers of the Open Inference Protocol answer, and this service in their place."""
