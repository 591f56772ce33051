"""A run folder as pictures, a page and a model card."""
