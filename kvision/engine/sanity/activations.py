"""What the layers give: values that neither explode nor vanish on their way through a fresh network, and ReLUs that live."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kvision.engine.sanity import probe
from kvision.engine.sanity.verdict import Verdict, judge, skipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import tensorflow as tf

    from kvision.engine.system import Batch, System

SCALE = (1e-3, 1e3)
"""Accepted root mean square of a layer's outputs."""
DEAD = 0.4
"""Largest accepted share of a layer's units that are zero on the whole sample (CS231n: at 40% the rate is too high)."""
BINS = 40
_RELU_OPERATIONS = ("ReLU", "Relu", "Relu6")


@dataclass
class Outputs:
    """Statistics of what one layer gives over a sample.

    Attributes:
        relu: Whether it ends in a ReLU.
        count: Values.
        squares: Sum of their squares.
        largest: Largest value of each unit, that is of each channel over all examples and places `[C]`.
        values: Some of the values, for a picture.
    """

    relu: bool
    count: int = 0
    squares: float = 0.0
    largest: np.ndarray | None = None
    values: list[np.ndarray] = field(default_factory=list)

    def add(self, outputs: np.ndarray) -> None:
        """Takes note of one call's outputs `[..., C]`."""
        outputs = outputs.astype(np.float64)
        self.count += outputs.size
        self.squares += float((outputs**2).sum())
        largest = outputs.reshape(-1, outputs.shape[-1]).max(axis=0)
        self.largest = largest if self.largest is None else np.maximum(self.largest, largest)
        self.values.append(outputs.ravel()[:: max(1, outputs.size // 2000)])

    @property
    def rms(self) -> float:
        """Root mean square."""
        return math.sqrt(self.squares / self.count) if math.isfinite(self.squares) else math.nan

    @property
    def dead(self) -> float:
        """Share of the units that are zero (or less) on the whole sample."""
        return 0.0 if self.largest is None else float((self.largest <= 0).mean())

    def summary(self) -> dict[str, Any]:
        """Plain data, with a histogram."""
        values = np.concatenate(self.values)
        finite = values[np.isfinite(values)]
        counts, edges = np.histogram(finite, BINS) if finite.size else (np.zeros(0), np.zeros(0))
        return {"rms": self.rms, "dead": self.dead if self.relu else None, "counts": counts.tolist(), "edges": edges.tolist()}


def listen(system: System, batches: Sequence[Batch]) -> dict[str, Outputs]:
    """Statistics of every layer's outputs in training steps that aren't taken.

    Args:
        system: Its random layers quiet.
        batches: The sample.

    Returns:
        By layer, in the order in which they were called.
    """
    found: dict[str, Outputs] = {}

    def hear(name: str, operation: keras.Operation, outputs: tf.Tensor) -> None:
        if outputs.dtype.is_floating and outputs.shape.rank:
            found.setdefault(name, Outputs(_is_relu(operation))).add(outputs.numpy())

    with probe.listening(system, hear):
        for batch in batches:
            probe.step(system, batch)
    return found


def scale(outputs: Mapping[str, Outputs]) -> Verdict:
    """Judges the outputs of a fresh network: the layer whose size is farthest from 1, those that give nothing but zeros apart.

    Zeros throughout are deliberate (a branch that starts at 0) or a dead layer's, which `dead` judges.
    """
    name, sizes = "activations", {name: one.rms for name, one in outputs.items() if one.rms != 0}
    if not sizes:
        return skipped(name, "every layer gives zeros")
    broken = [layer for layer, size in sizes.items() if math.isnan(size)]
    farthest = broken[0] if broken else max(sizes, key=lambda layer: abs(math.log(sizes[layer])))
    what = "is not finite" if broken else "explodes" if sizes[farthest] > 1 else "vanishes"
    return judge(
        name,
        sizes[farthest],
        low=SCALE[0],
        high=SCALE[1],
        good=f"root mean square of {farthest}, farthest from 1 of {len(sizes)} layers",
        bad=f"what {farthest} gives {what} in a fresh network: use another initialiser (He for ReLUs), a normalisation, or look at the input",
        details={"layers": {layer: one.summary() for layer, one in outputs.items()}},
    )


def dead(outputs: Mapping[str, Outputs], steps: int) -> Verdict:
    """Judges the ReLUs of a network that was trained for some steps, by its worst layer."""
    name, shares = "dead ReLUs", {name: one.dead for name, one in outputs.items() if one.relu}
    if not shares:
        return skipped(name, "there are none in the network")
    worst = max(shares, key=lambda layer: shares[layer])
    total = sum(0 if one.largest is None else len(one.largest) for one in outputs.values() if one.relu)
    mean = sum(one.dead * (0 if one.largest is None else len(one.largest)) for one in outputs.values() if one.relu) / total
    return judge(
        name,
        shares[worst],
        high=DEAD,
        good=f"share of units without an answer in {worst}, the worst of {len(shares)} layers, after {steps} steps; {mean:.1%} of all",
        bad=f"units of {worst} that answer to nothing after {steps} steps ({mean:.1%} of all): try a smaller optim.lr, a bias that starts at 0, a "
        "normalisation, or leaky ReLUs",
        details={"layers": {layer: one.summary() for layer, one in outputs.items()}},
    )


def _is_relu(operation: keras.Operation) -> bool:
    if isinstance(operation, keras.layers.ReLU):
        return not operation.negative_slope
    return type(operation).__name__ in _RELU_OPERATIONS or getattr(operation, "activation", None) in (keras.activations.relu, keras.activations.relu6)
