"""Schedules against numbers worked by hand."""

from __future__ import annotations

import pytest
import tensorflow as tf

from kvision.core.schema import OptimOptions
from kvision.ops import schedules


def rates(steps: list[int], total: int = 100, batch: int = 16, **options: object) -> list[float]:
    """The rates at some steps, for a peak of 1."""
    rate = schedules.learning_rate(OptimOptions(**{"lr": 1.0, **options}), total, batch)
    return [float(rate(step)) for step in steps]


@pytest.mark.parametrize(
    ("options", "steps", "expected"),
    [
        ({"schedule": "constant"}, [0, 50, 100], [1.0, 1.0, 1.0]),
        ({"schedule": "plateau"}, [0, 50, 100], [1.0, 1.0, 1.0]),
        ({"schedule": "step", "step_at": (0.5, 0.75), "decay": 0.1}, [0, 49, 50, 74, 75, 99], [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]),
        ({"schedule": "step", "step_at": ()}, [0, 99], [1.0, 1.0]),
        ({"schedule": "exponential", "decay": 0.01}, [0, 50, 100], [1.0, 0.1, 0.01]),
        ({"schedule": "cosine"}, [0, 25, 50, 75, 100], [1.0, 0.85355339, 0.5, 0.14644661, 0.0]),
        ({"schedule": "cosine", "final_lr_scale": 0.2}, [0, 50, 100, 200], [1.0, 0.6, 0.2, 0.2]),
        ({"schedule": "cosine_restarts", "cycles": 2}, [0, 25, 49, 50, 75, 99, 100], [1.0, 0.5, 0.00098664, 1.0, 0.5, 0.00098664, 0.0]),
        ({"schedule": "cosine_restarts", "cycles": 5, "final_lr_scale": 0.2}, [10, 20, 70, 100], [0.6, 1.0, 0.6, 0.2]),
        ({"schedule": "cosine_restarts", "cycles": 2, "warmup_steps": 4}, [1, 25, 50, 75], [0.5, 0.5, 1.0, 0.5]),
        ({"schedule": "linear"}, [0, 25, 100], [1.0, 0.75, 0.0]),
        ({"schedule": "linear", "final_lr_scale": 0.5}, [0, 50, 100], [1.0, 0.75, 0.5]),
        ({"schedule": "inverse_sqrt", "warmup_steps": 4}, [3, 4, 16, 64], [1.0, 1.0, 0.5, 0.25]),
        ({"schedule": "inverse_sqrt"}, [0, 3, 99], [1.0, 0.5, 0.1]),
        ({"schedule": "inverse_time", "decay": 0.1}, [0, 50, 100], [1.0, 1 / 5.5, 0.1]),
    ],
)
def test_rates_by_hand(options: dict[str, object], steps: list[int], expected: list[float]) -> None:
    assert rates(steps, **options) == pytest.approx(expected, abs=1e-6)


def test_warmup_rises_to_the_peak_and_then_the_schedule_counts_its_own_steps() -> None:
    assert rates([0, 1, 2, 3], warmup_steps=4, schedule="constant") == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates([3, 4, 9, 14], total=14, warmup_steps=4, schedule="cosine") == pytest.approx([1.0, 1.0, 0.5, 0.0], abs=1e-6)


def test_a_run_shorter_than_its_warmup_never_reaches_the_peak() -> None:
    assert rates([0, 2], total=3, warmup_steps=100) == pytest.approx([0.01, 0.03])


def test_linear_scaling_rule() -> None:
    assert rates([0], batch=8192, schedule="constant", lr=0.1, scale_lr=True, lr_batch=256) == pytest.approx([3.2])
    assert rates([0], batch=8192, schedule="constant", lr=0.1) == pytest.approx([0.1])


def test_late_steps_stay_distinct_although_float32_could_not_tell_them_apart() -> None:
    step = 2**24
    first, second = (schedules.linear(tf.constant(s, tf.int64), total=2**25) for s in (step, step + 2**10))
    assert first.dtype == tf.float32
    assert float(first) - float(second) == pytest.approx(2**10 / 2**25, rel=1e-2)


def test_a_tensor_of_steps_gives_a_tensor_of_rates_in_a_graph() -> None:
    rate = schedules.learning_rate(OptimOptions(lr=2.0, schedule="linear", warmup_steps=2), 6, 16)
    assert tf.function(rate)(tf.range(7, dtype=tf.int64)).numpy().tolist() == pytest.approx([1.0, 2.0, 2.0, 1.5, 1.0, 0.5, 0.0])
