"""The outer loop: strategy, order, precision, optimisation, checkpoints, journal."""
