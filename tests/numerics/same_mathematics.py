"""Trains systems on the workers that the command line names, and prints the loss of every step: run by test_same_mathematics.py."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from kvision.core import quiet
from kvision.engine import cluster

if TYPE_CHECKING:
    import tensorflow as tf

FAMILIES = {
    "segmentation/unet": ("data.batch=8",),
    "classification/resnet": ("data.batch=8",),
    "captioning/show_attend_tell": ("data.batch=8", "model.dropout=0.3", "loss.scheduled_sampling=0.2"),
    "sequence/char_rnn": ("data.batch=8",),
    "rl/ppo": ("data.source=cart_pole",),
}
"""A system of each family, with what is set beside its recipe's smoke settings."""


def losses(
    name: str, overrides: list[str], steps: int, strategy: tf.distribute.Strategy, deterministic: bool = False
) -> tuple[list[float], dict[str, float]]:
    """The loss of each step, and the metrics after the last one."""
    from kvision.engine.loop import Loop
    from tests.conformance import subject

    session = subject.open_session(name, *FAMILIES[name], *overrides, devices=strategy, deterministic=deterministic)
    loop = Loop(session)
    return [loop.train(step).loss for step in range(1, steps + 1)], loop.evaluate() or {}


def main() -> None:
    """Prints losses and metrics, a JSON object a system."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--systems", nargs="+", default=[*FAMILIES], choices=FAMILIES)
    parser.add_argument("--overrides", nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--devices", default="cpu")
    parser.add_argument("--workers", default="none")
    parser.add_argument("--worker", type=int)
    options = parser.parse_args()
    quiet.install()
    from kvision.engine import strategy

    made = strategy.make(options.devices, cluster.find(options.workers, options.worker, {}))
    for name in options.systems:
        print(json.dumps({name: losses(name, options.overrides, options.steps, made, deterministic=True)}), flush=True)


if __name__ == "__main__":
    main()
