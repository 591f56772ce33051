"""Quantization-aware fine-tuning: a twin of a network that computes as its int8 file will, trained a little more by kvision's own engine."""
