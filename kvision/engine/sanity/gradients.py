"""The network's gradients against central differences in float64, along one random direction for each variable."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras.src import dtype_policies

from kvision.engine.sanity import probe
from kvision.engine.sanity.plain import quiet
from kvision.engine.sanity.verdict import Verdict, judge, skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kvision.engine.system import Batch, System

MOST = 1e-4
"""Largest relative error, as CS231n has it for losses with kinks; right gradients of the U-Net came to 6e-6 at most over all kinds and seeds."""
STEPS = (1e-6, 1e-7)
"""A ReLU or a maximum that switches within one step spoils the difference, and seldom within a shorter one; a wrong gradient is wrong at both."""
FLOOR = 1e-3
"""Derivatives smaller than this share of the largest one are compared with that share: they drown in the rounding of the loss."""


def check(system: System, batch: Batch, *, variables: int = 40) -> Verdict:
    """Compares the derivatives of the training loss, on the system's own layers and losses at a tiny size.

    Args:
        system: Its networks are built once more, in float64; they themselves are not looked at.
        batch: A few examples.
        variables: Most variables to look at, evenly spaced over all.

    Returns:
        The verdict, with the error of each variable; skipped where the loss is not computed in float64.
    """
    keras.utils.set_random_seed(system.recipe.train.seed)
    with _in_float64():
        wide = type(system)(system.recipe, system.info)
        wide.networks = wide.build()
    quiet(wide.networks.values())
    batch = {key: tf.cast(value, tf.float64) if value.dtype.is_floating else value for key, value in batch.items()}
    probes = probe.step(wide, batch, differentiate=True)
    narrow = [role for role, one in probes.items() if one.loss is None or one.loss.dtype != tf.float64]
    if narrow:
        return skipped("gradients", f"the loss of {narrow[0]} is not computed in float64 for float64 inputs; let it keep the inputs' dtype")
    return verdict(_compare(wide, batch, probes, variables))


def verdict(errors: dict[str, float]) -> Verdict:
    """Judges the relative errors by variable."""
    worst = max(errors, key=lambda path: errors[path] if np.isfinite(errors[path]) else np.inf)
    bad = [path for path, error in errors.items() if not error <= MOST]
    return judge(
        "gradients",
        errors[worst],
        high=MOST,
        good=f"largest relative error of {len(errors)} variables, at {worst}",
        bad=f"the gradient of {', '.join(bad[:3])} is wrong{f' ({len(bad)} variables in all)' if len(bad) > 3 else ''}: look at the custom "
        "gradients of the layers from there to the loss, and at casts and stop_gradient on the way",
        details={"errors": errors},
    )


def relative_error(analytic: float, numeric: float, floor: float) -> float:
    """`|a - n| / max(|a|, |n|, floor)`."""
    return abs(analytic - numeric) / max(abs(analytic), abs(numeric), floor)


@contextlib.contextmanager
def _in_float64() -> Iterator[None]:
    """While the `with` block runs, every layer that is made computes in float64, also one that is told float32."""
    floatx, policy, get = keras.config.floatx(), keras.config.dtype_policy(), dtype_policies.get
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    dtype_policies.get = lambda asked: get("float64" if asked is None or asked == "float32" else asked)
    try:
        yield
    finally:
        dtype_policies.get = get
        keras.config.set_dtype_policy(policy)
        keras.config.set_floatx(floatx)


def _compare(system: System, batch: Batch, probes: dict[str, probe.Probe], most: int) -> dict[str, float]:
    """Relative error of each variable's derivative along a random direction of length 1."""
    generator = np.random.default_rng(system.recipe.train.seed)

    @tf.function
    def losses() -> list[Any]:
        return [one.loss for one in probe.step(system, batch).values()]

    def numeric(number: int, variable: keras.Variable, direction: np.ndarray, step: float) -> float:
        start, ends = variable.numpy(), []
        for sign in (1.0, -1.0):
            variable.assign(start + sign * step * direction)
            ends.append(float(losses()[number]))
        variable.assign(start)
        return (ends[0] - ends[1]) / (2 * step)

    found: dict[str, tuple[float, list[float]]] = {}
    for number, one in enumerate(probes.values()):
        for variable, gradient in _spread(list(zip(one.variables, one.gradients, strict=True)), most // len(probes)):
            direction = generator.normal(size=variable.shape)
            direction /= np.linalg.norm(direction)
            analytic = 0.0 if gradient is None else float((tf.convert_to_tensor(gradient).numpy() * direction).sum())
            found[variable.path] = analytic, [numeric(number, variable, direction, step) for step in STEPS]
    floor = FLOOR * max(abs(analytic) for analytic, _ in found.values()) + 1e-9
    return {path: min(relative_error(analytic, one, floor) for one in differences) for path, (analytic, differences) in found.items()}


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most this many of the items, evenly spaced."""
    chosen = np.unique(np.linspace(0, len(items) - 1, min(len(items), max(most, 1))).round().astype(int))
    return [items[index] for index in chosen]
