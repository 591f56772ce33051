"""`kvision ui`: a page on this machine over a folder of runs, which it only reads. Starlette, htmx and uPlot; no TensorFlow."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""Names of this machine that nobody else can reach."""
