"""Turns a run into a bundle, a SavedModel for TF Serving and LiteRT files for devices, and proves every file of it."""
