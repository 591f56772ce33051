"""Runs kvision's bundles on devices: numpy, pillow and one LiteRT interpreter, no TensorFlow."""
