"""Sequences without pictures: language modelling, sequence to sequence, word embeddings."""
