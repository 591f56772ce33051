"""`kvision-edge verify`: is every file the one that was exported, and does the network say on this device what it said there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, Iterator, Optional

import numpy as np

from kvision_edge import quantization
from kvision_edge.bundle import Bundle, digest
from kvision_edge.errors import EdgeError
from kvision_edge.model import Model

if TYPE_CHECKING:
    from kvision_edge import manifest
    from kvision_edge.interpreter import Runner


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        what: Such as a file.
        ok: Whether it is as it should be; none: it could not be looked at, and nothing is claimed.
        detail: What was found.
    """

    what: str
    ok: Optional[bool]
    detail: str


def verify(bundle: Bundle, *, threads: Optional[int] = None, interpreter: str = "") -> Iterator[Check]:
    """Looks at every file, then runs the sample on every file that this device can run.

    Args:
        bundle: The bundle.
        threads: Of the interpreter.
        interpreter: Which one; empty: the first that is installed.

    Yields:
        What was found, one thing after the other.
    """
    sums: Dict[str, str] = {**bundle.manifest.checksums, **{each.path: each.sha256 for each in bundle.manifest.files}}
    for path, expected in sums.items():
        yield _same(bundle, path, expected)
    for file in bundle.runnable:
        yield _sample(bundle, file, threads, interpreter)


def _same(bundle: Bundle, relative: str, expected: str) -> Check:
    try:
        path = bundle.path(relative)
        if not path.exists():
            return Check(relative, False, "is missing; copy the whole bundle again")
        found = digest(path)
    except (EdgeError, OSError) as error:
        return Check(relative, False, str(error))
    if found != expected:
        return Check(relative, False, f"is not the file that was exported (sha256 {found[:12]}..., expected {expected[:12]}...); copy it again")
    return Check(relative, True, f"sha256 {found[:12]}...")


def _sample(bundle: Bundle, file: manifest.File, threads: Optional[int], interpreter: str) -> Check:
    what = f"{file.format} on the sample"
    if file.sample is None or not bundle.manifest.sample_input:
        return Check(what, None, "the bundle has no sample for it")
    try:
        inputs = bundle.arrays(bundle.manifest.sample_input)
        expected = bundle.arrays(file.sample.outputs)
        model = Model(bundle.folder, format=file.format, threads=threads, interpreter=interpreter)
        # The first function's tensors have their own names in the sample, those of others are marked; older bundles have but the first.
        marks = {name: f"{name}|" if place else "" for place, name in enumerate(model.runner.signatures)}
        sampled = [name for name, mark in marks.items() if not mark or any(key.startswith(mark) for key in inputs)]
        worst = float(np.max([_worst(model.runner, name, marks[name], inputs, expected) for name in sampled]))
    except KeyError as error:
        return Check(what, False, f"the sample has no {error}; export the bundle again")
    except EdgeError as error:
        return Check(what, False, str(error))
    engine = f"{model.engine.name} {model.engine.version}"
    if not worst <= file.sample.tolerance:  # also where it is NaN
        return Check(what, False, f"differs by {worst:.3g} where {file.sample.tolerance:.3g} is allowed, on {engine}; do not trust it on this device")
    return Check(what, True, f"differs by {worst:.3g}, allowed {file.sample.tolerance:.3g}, on {engine}")


def _worst(runner: Runner, name: str, mark: str, inputs: Dict[str, np.ndarray], expected: Dict[str, np.ndarray]) -> float:
    """Largest difference of any output of a function, in real numbers."""
    signature, differences = runner.signatures[name], [0.0]
    found = runner.raw(name, {key: quantization.stored(inputs[mark + key], tensor) for key, tensor in signature.inputs.items()})
    for key, tensor in signature.outputs.items():
        ours, theirs = (quantization.real(each, tensor).astype(np.float64) for each in (found[key], expected[mark + key]))
        if ours.shape != theirs.shape:
            return float("inf")
        differences.append(float(np.abs(ours - theirs).max(initial=0.0)))
    return float(np.max(differences))
