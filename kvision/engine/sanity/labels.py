"""Whether the network learns from the labels, and from nothing else: with labels of other examples it must fall to chance.

Chance is measured, not assumed: it is the loss on validation examples that were given each other's labels, for then no prediction can be better
than one that does not look at the example. What true pairs are better than that is what the network has found out about the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision.engine import evaluation
from kvision.engine.sanity.verdict import Verdict, judge, skipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision.engine.system import Batch, System

PAIRINGS = 6
"""Random pairings that chance is measured by."""
LEAST = 8
"""Fewest validation examples that can tell anything."""
GAIN = 0.02
"""Smallest gain over chance that counts, as a share of the loss at chance."""
SIGMAS = 5.0
"""And by how many standard deviations of the random pairings it must exceed them."""
LEAK = 0.25
"""Largest share of the gain that may be left with the labels of others: what a network says at random differs a little between examples, too."""
_THEIR_OWN = ("image", "index", "weight")


@dataclass(frozen=True)
class Gain:
    """How much better than chance a network is on examples it was not trained on.

    Attributes:
        gain: `1 - loss / loss at chance`.
        noise: Standard deviation of the losses at chance, as a share of their mean.
        metric: The monitored metric.
        chance: The same at chance.
    """

    gain: float
    noise: float
    metric: float
    chance: float

    @property
    def least(self) -> float:
        """The smallest gain that is told from chance."""
        return max(GAIN, SIGMAS * self.noise)


def exchanged(batch: Batch) -> dict[str, Any]:
    """The batch with each example's labels, and all else but the picture, taken from the one before it."""
    return {name: value if name in _THEIR_OWN else tf.roll(value, 1, axis=0) for name, value in batch.items()}


def gather(batches: Sequence[Batch]) -> dict[str, np.ndarray]:
    """Whole batches of validation examples as arrays `[N, ...]`; those that fill up the last batch are left out with it."""
    whole = [batch for batch in batches if float(tf.reduce_min(batch["weight"])) > 0]
    return {name: np.concatenate([batch[name].numpy() for batch in whole]) for name in whole[0]} if whole else {}


class Chance:
    """Compares the loss on validation examples with that on the same examples in random pairings.

    Args:
        system: Its networks are looked at as they are when `measure` is called.
        examples: Of `gather`; N a multiple of `batch`.
        batch: Examples evaluated at once.
    """

    def __init__(self, system: System, examples: Mapping[str, np.ndarray], batch: int) -> None:
        self._system, self._examples, self._batch = system, examples, batch
        self._graph = tf.function(lambda part: system.eval_step(part)[0])
        generator, num = np.random.default_rng(0), len(examples["index"])
        self._true = np.arange(num)
        self._pairings = [_moved(generator, num) for _ in range(PAIRINGS)]

    def measure(self) -> Gain:
        """How much better than chance the network is."""
        true, random = self._metrics(self._true), [self._metrics(order) for order in self._pairings]
        losses, monitored = np.array([found["loss"] for found in random]), self._system.monitor.metric
        chance = float(np.mean([found[monitored] for found in random]))
        return Gain(float(1.0 - true["loss"] / losses.mean()), float(losses.std() / abs(losses.mean())), true[monitored], chance)

    def _metrics(self, order: np.ndarray) -> dict[str, float]:
        """Of examples that have the labels of those at `order` `[N]`."""
        sums: dict[str, np.ndarray] = {}
        for start in range(0, len(order), self._batch):
            own, theirs = slice(start, start + self._batch), order[start : start + self._batch]
            part = {name: tf.convert_to_tensor(values[own if name in _THEIR_OWN else theirs]) for name, values in self._examples.items()}
            evaluation.add(sums, self._graph(part))
        return self._system.metrics(sums)


def check(learnt: Gain, misled: Gain, steps: int, metric: str) -> list[Verdict]:
    """Judges what was learnt from true labels, and from the labels of other examples.

    Args:
        learnt: After training with the true labels.
        misled: After training as long with those of other examples.
        steps: Steps of each training.
        metric: Name of the monitored metric.

    Returns:
        Two verdicts.
    """
    bound = max(misled.least, LEAK * learnt.gain)
    return [
        judge(
            "labels inform",
            learnt.gain,
            low=learnt.least,
            good=f"by so much is the validation loss below chance after {steps} steps; {metric} {learnt.metric:.3f}, at chance {learnt.chance:.3f}",
            bad=f"after {steps} steps the network is no better on validation examples than at chance ({metric} {learnt.metric:.3f} and "
            f"{learnt.chance:.3f}): do the labels belong to the pictures (`kvision data show`)? else train longer or with another optim.lr",
            details={"noise": learnt.noise, "metric": learnt.metric, "chance": learnt.chance},
        ),
        judge(
            "label shuffle",
            misled.gain,
            high=bound,
            good=f"trained with the labels of other examples it falls to chance; {metric} {misled.metric:.3f}, at chance {misled.chance:.3f}",
            bad=f"trained with the labels of other examples it is still better than chance ({metric} {misled.metric:.3f} and {misled.chance:.3f}): "
            "the labels reach the prediction or the metric by another way than learning",
            details={"noise": misled.noise, "metric": misled.metric, "chance": misled.chance},
        ),
    ]


def too_few(num: int) -> list[Verdict]:
    """The verdicts where there are too few validation examples."""
    reason = f"only {num} validation examples fill whole batches; at least {LEAST} tell something"
    return [skipped("labels inform", reason), skipped("label shuffle", reason)]


def _moved(generator: np.random.Generator, num: int) -> np.ndarray:
    """A random order of `num` examples in which none stands at its own place."""
    order = generator.permutation(num)
    partner = np.empty(num, np.int64)
    partner[order] = np.roll(order, 1)
    return partner
