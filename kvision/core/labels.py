"""Numbers in masks that have a meaning of their own."""

from __future__ import annotations

IGNORE_LABEL = 255
"""Mask value that no loss and no metric counts: padding, and what the annotators left out."""
