"""One real example in the bundle, with what each file makes of it: a device verifies itself by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from kvision_edge import manifest
from kvision_export.parity import runner
from kvision_export.tflite import calibration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kvision_export.formats import Format
    from kvision_export.subject import Subject

INPUT = "input.npz"
PICTURE = "picture.png"
_SHARE = 1e-4
"""Of the outputs' range: what floats may differ by on another machine, at least."""


def write(subject: Subject, files: Mapping[Format, Path], folder: Path) -> dict[Format, manifest.Sample]:
    """Writes the first validation example: the picture where it is one, what the networks take of it, and what each file says.

    Args:
        subject: What is exported.
        files: LiteRT files by format.
        folder: Where to write `picture.png`, `input.npz` and `<format>.npz`; made if need be. There the tensors of the first signature have their own
            names, those of another `<signature>|<name>`.

    Returns:
        By format the outputs' file name in the folder, and how far another device may differ: twice what the kernels of this machine differ
        among themselves (XNNPACK and the plain ones), but at least one step of a quantized output, or 1e-4 of the range of a float one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    example = subject.examples("val", [0])
    if subject.takes_pictures:
        Image.fromarray(example[0]).save(folder / PICTURE)
    calls = calibration.calls(subject, subject.given(example))
    np.savez(folder / INPUT, **_named({key: {name: value[:1] for name, value in part.items()} for key, part in calls.items()}))  # type: ignore[arg-type]
    return {each: _write_one(path, calls, folder / f"{each.short}.npz") for each, path in files.items()}


def _write_one(path: Path, calls: Mapping[str, Mapping[str, np.ndarray]], out: Path) -> manifest.Sample:
    fast, plain = runner.Runner(path), runner.Runner(path, delegates=False)
    said: dict[str, dict[str, np.ndarray]] = {}
    tolerance = 0.0
    for signature, inputs in calls.items():
        facts = fast.signatures[signature]
        given = {name: runner.quantize(_batched(inputs[name], tensor), tensor) for name, tensor in facts.inputs.items()}
        said[signature], other = fast.run_raw(signature, given), plain.run_raw(signature, given)
        for name, tensor in facts.outputs.items():
            mine, theirs = (runner.dequantize(values[name], tensor).astype(np.float64) for values in (said[signature], other))
            least = max(tensor.scale) if tensor.scale else _SHARE * float(np.ptp(mine))
            tolerance = max(tolerance, least, 2 * float(np.max(np.abs(mine - theirs), initial=0.0)))
    np.savez(out, **_named(said))  # type: ignore[arg-type]
    return manifest.Sample(out.name, tolerance)


def _named(values: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays by signature and name as a sample's files hold them."""
    first = next(iter(values))
    return {name if key == first else f"{key}|{name}": value for key, part in values.items() for name, value in part.items()}


def _batched(value: np.ndarray, tensor: manifest.Tensor) -> np.ndarray:
    """One example, as often as the file takes at once."""
    return np.repeat(value[:1], max(tensor.shape[0], 1), axis=0) if tensor.shape else value
