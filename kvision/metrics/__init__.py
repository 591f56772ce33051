"""Streaming metrics: sums on the device, names and formulas on the host."""
