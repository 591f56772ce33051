"""Environments that agents act in, as graphs see them: Gymnasium's on the host, and worlds of our own in TensorFlow."""
