"""Learning-rate schedules: pure functions of the step, each a multiplier of the peak rate.

Steps count from 0: the multiplier of step `t` is the one that the update number `t + 1` uses. Every function takes a number or a tensor and
gives a float32 tensor of the same shape. The warm-up comes first; the schedule proper then counts its own steps from 0.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import tensorflow as tf

if TYPE_CHECKING:
    from kvision.core.schema import OptimOptions

Step: TypeAlias = "int | float | tf.Tensor | tf.Variable"
Schedule = Callable[[Step], tf.Tensor]


def _progress(step: Step, total: int) -> tf.Tensor:
    """The fraction of `total` steps that lie behind, float64 in [0, 1]; in float64 so that a long run's steps stay distinct."""
    return tf.clip_by_value(tf.cast(step, tf.float64) / max(total, 1), 0.0, 1.0)


def constant(step: Step) -> tf.Tensor:
    """1 at every step."""
    return tf.ones_like(tf.cast(step, tf.float32))


def piecewise(step: Step, *, total: int, at: Sequence[float], decay: float) -> tf.Tensor:
    """`decay` to the power of the number of drops passed; a drop stands at each fraction `at` of the `total` steps."""
    passed = [tf.cast(tf.cast(step, tf.float64) >= math.ceil(fraction * total), tf.float64) for fraction in at]
    drops = tf.add_n(passed) if passed else tf.zeros_like(tf.cast(step, tf.float64))
    return tf.cast(tf.pow(tf.constant(decay, tf.float64), drops), tf.float32)


def exponential(step: Step, *, total: int, decay: float) -> tf.Tensor:
    """`decay ** (step / total)`: the same factor at every step, `decay` after the whole run."""
    return tf.cast(tf.pow(tf.constant(decay, tf.float64), _progress(step, total)), tf.float32)


def cosine(step: Step, *, total: int, final: float = 0.0) -> tf.Tensor:
    """Half a cosine from 1 down to `final` over `total` steps.

    References:
        SGDR, Loshchilov and Hutter 2017 (arXiv 1608.03983), eq. 5, one period without restarts.
    """
    return tf.cast(final + (1.0 - final) * 0.5 * (1.0 + tf.cos(math.pi * _progress(step, total))), tf.float32)


def cosine_restarts(step: Step, *, total: int, cycles: int, final: float = 0.0) -> tf.Tensor:
    """As `cosine`, `cycles` times over, each as long as the others; after `total` steps it is `final`.

    References:
        Snapshot Ensembles, Huang et al. 2017 (arXiv 1704.00109), eq. 2; SGDR, Loshchilov and Hutter 2017 (arXiv 1608.03983), eq. 5 with T_mult = 1.
    """
    done = tf.clip_by_value(tf.cast(step, tf.float64) * cycles / total, 0.0, cycles)  # in this order, so that cycles begin at whole numbers
    within = done - tf.minimum(tf.floor(done), cycles - 1.0)
    return tf.cast(final + (1.0 - final) * 0.5 * (1.0 + tf.cos(math.pi * within)), tf.float32)


def linear(step: Step, *, total: int, final: float = 0.0) -> tf.Tensor:
    """A straight line from 1 to `final` over `total` steps."""
    return tf.cast(1.0 + (final - 1.0) * _progress(step, total), tf.float32)


def inverse_sqrt(step: Step, *, warmup: int) -> tf.Tensor:
    """`sqrt(w / (w + step))` with w the warm-up's length (at least 1): 1 at the warm-up's end.

    References:
        Attention Is All You Need, Vaswani et al. 2017 (arXiv 1706.03762), eq. 3, divided by its value at the warm-up's end.
    """
    peak = max(warmup, 1)
    return tf.cast(tf.sqrt(peak / (peak + tf.cast(step, tf.float64))), tf.float32)


def inverse_time(step: Step, *, total: int, decay: float) -> tf.Tensor:
    """`1 / (1 + k step)`, with k such that `decay` is reached after `total` steps (the 1/t schedule of Robbins and Monro 1951)."""
    return tf.cast(1.0 / (1.0 + (1.0 / decay - 1.0) * tf.cast(step, tf.float64) / max(total, 1)), tf.float32)


def with_warmup(schedule: Schedule, warmup: int) -> Schedule:
    """The schedule, after `warmup` steps of linear rise: `(step + 1) / warmup`, so that no step has the rate 0 and the last has the peak.

    References:
        Goyal et al. 2017 (arXiv 1706.02677), section 2.2, gradual warm-up.
    """
    if warmup <= 0:
        return schedule

    def multiplier(step: Step) -> tf.Tensor:
        now = tf.cast(step, tf.float64)
        rise = tf.cast((now + 1.0) / warmup, tf.float32)
        return tf.where(now < warmup, rise, schedule(tf.maximum(now - warmup, 0.0)))

    return multiplier


def scaled_peak(options: OptimOptions, batch: int) -> float:
    """The peak learning rate for a global batch: `lr`, times `batch / lr_batch` under the linear scaling rule.

    References:
        Accurate, Large Minibatch SGD, Goyal et al. 2017 (arXiv 1706.02677), section 2.1.
    """
    return options.lr * batch / options.lr_batch if options.scale_lr else options.lr


def learning_rate(options: OptimOptions, total_steps: int, batch: int) -> Schedule:
    """The learning rate as a function of the step.

    Args:
        options: The recipe's `optim` section. `plateau` is constant here: its factor is state, see `kvision.engine.plateau`.
        total_steps: Steps of the whole run, the warm-up included.
        batch: Global batch size, for the linear scaling rule.

    Returns:
        A function from the step (from 0; number or tensor) to the rate, float32.
    """
    total = max(total_steps - options.warmup_steps, 1)
    restarts = functools.partial(cosine_restarts, total=max(total_steps, 1), cycles=options.cycles, final=options.final_lr_scale)
    schedules: dict[str, Schedule] = {
        "constant": constant,
        "plateau": constant,
        "step": functools.partial(piecewise, total=total, at=options.step_at, decay=options.decay),
        "exponential": functools.partial(exponential, total=total, decay=options.decay),
        "cosine": functools.partial(cosine, total=total, final=options.final_lr_scale),
        "cosine_restarts": lambda step: restarts(step + options.warmup_steps),  # the warm-up is within the first cycle, so that all end with epochs
        "linear": functools.partial(linear, total=total, final=options.final_lr_scale),
        "inverse_sqrt": functools.partial(inverse_sqrt, warmup=options.warmup_steps),
        "inverse_time": functools.partial(inverse_time, total=total, decay=options.decay),
    }
    multiplier = with_warmup(schedules[options.schedule], options.warmup_steps)
    peak = scaled_peak(options, batch)
    return lambda step: peak * multiplier(step)
