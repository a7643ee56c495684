"""The Keras networks, and the one place where training imports Keras and TensorFlow."""
