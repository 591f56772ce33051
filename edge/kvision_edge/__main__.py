"""`python -m kvision_edge`, the same as `kvision-edge`."""

from kvision_edge.cli import guarded

raise SystemExit(guarded())
