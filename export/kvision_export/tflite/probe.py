"""Runs a .tflite file on whatever interpreter this Python has: `python -I probe.py MODEL IN.npz OUT.npz`.

Stand-alone: it is also run by the Pythons of old runtimes, which know nothing of kvision and may be as old as 3.8. Keys of the `.npz` files are
`<signature>|<name>`, values are in the file's own dtypes.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


def interpreter() -> tuple[str, str, Any]:
    """The name, version and `Interpreter` class of the runtime of this Python."""
    name = next(each for each in ("ai_edge_litert", "tflite_runtime") if importlib.util.find_spec(each))
    version = getattr(importlib.import_module(name), "__version__", "")
    return name, version, importlib.import_module(name + ".interpreter").Interpreter


def run(model: str, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Runs every signature once on one thread.

    Args:
        model: Path of the file.
        values: Arrays by `<signature>|<input>`.

    Returns:
        Arrays by `<signature>|<output>`.
    """
    name, version, kind = interpreter()
    made = kind(model_path=model, num_threads=1)
    found = {"runtime": np.array(name + " " + version)}
    for signature in made.get_signature_list():
        given = {key.split("|", 1)[1]: value for key, value in values.items() if key.split("|", 1)[0] == signature}
        for output, value in made.get_signature_runner(signature)(**given).items():
            found[signature + "|" + output] = value
    return found


if __name__ == "__main__":
    with np.load(sys.argv[2]) as file:
        inputs = dict(file)
    np.savez(sys.argv[3], **run(sys.argv[1], inputs))  # type: ignore[arg-type]
