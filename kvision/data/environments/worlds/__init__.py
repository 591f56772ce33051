"""Environments of our own, in TensorFlow: rollouts with them run inside the graph."""
