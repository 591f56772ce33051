"""kvision: train vision systems from a short YAML recipe and ship them to devices.

Importing this package never imports TensorFlow; see `docs/engine.md` for how the parts fit.
"""

__version__ = "0.1.0"
