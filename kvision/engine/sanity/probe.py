"""Looks into a training step without taking it: its loss, its gradients, and what every layer gives on the way."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import keras
import tensorflow as tf

from kvision.engine import randomness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kvision.engine.optim import Loss, Update
    from kvision.engine.system import Batch, System


class Probe:
    """Stands in for an `Update`: keeps the loss that a step would go down, and its gradients if they are wanted, and changes no weight.

    Args:
        variables: What the update would train.
        reseed: Called before the loss is computed.
        differentiate: Whether the gradients are wanted.

    Attributes:
        variables: What the update would train.
        loss: Mean loss of the batch, scalar; none before a step.
        gradients: By variable; empty unless wanted. A variable on which the loss does not depend has None.
    """

    def __init__(self, variables: Sequence[keras.Variable], reseed: Callable[[], None], differentiate: bool) -> None:
        self.variables = list(variables)
        self.loss: tf.Tensor | None = None
        self.gradients: list[tf.Tensor | None] = []
        self._reseed, self._differentiate = reseed, differentiate

    def learning_rate(self, step: tf.Tensor | None = None) -> tf.Tensor:
        """The rate of a step that isn't taken: 0."""
        del step
        return tf.zeros([])

    def minimize(self, loss: Loss, batch: Batch, *, of: int | None = None) -> tf.Tensor:
        """As `Update.minimize`, but for what makes it an update."""
        self._reseed()
        values = [variable.value for variable in self.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if self._differentiate:
                tape.watch(values)
            examples = loss(batch)
            self.loss = tf.reduce_mean(examples * tf.cast(batch["weight"], examples.dtype) if "weight" in batch else examples)
        if self._differentiate:
            self.gradients = tape.gradient(self.loss, values)
        return self.loss


def step(system: System, batch: Batch, *, differentiate: bool = False) -> dict[str, Probe]:
    """A training step that isn't taken; random layers draw the same each time. Moving statistics move.

    Args:
        system: Its networks built.
        batch: As for `System.train_step`, on one replica.
        differentiate: Whether the gradients are wanted.

    Returns:
        What each update was asked to minimise.
    """
    generators, seed = randomness.seed_generators(system.networks.values()), system.recipe.train.seed
    probes = {
        role: Probe(variables, lambda: randomness.reseed(generators, seed, 0), differentiate) for role, variables in system.trainables().items()
    }
    system.train_step(batch, cast("Mapping[str, Update]", probes))
    return probes


@contextlib.contextmanager
def listening(system: System, heard: Callable[[str, keras.Operation, tf.Tensor], None]) -> Iterator[None]:
    """While the `with` block runs eagerly, `heard` is told what each layer and operation of the networks gives.

    Args:
        system: Its networks built.
        heard: Called with a name, the layer and its first output, once for each call of a layer; layers that hold others are left out.

    Yields:
        Once.
    """
    found = {id(operation): (name, operation) for role, net in system.networks.items() for name, operation in _leaves(net, f"{role}/")}
    for name, operation in found.values():
        operation.call = _overheard(name, operation, heard)
    try:
        yield
    finally:
        for _, operation in found.values():
            del operation.call


def _leaves(parent: Any, prefix: str) -> Iterator[tuple[str, keras.Operation]]:
    """Layers and operations without others inside, in the order of the graph where there is one."""
    children: Sequence[Any] = getattr(parent, "operations", None) or getattr(parent, "_layers", None) or ()
    for child in children:
        if isinstance(child, keras.layers.InputLayer):
            continue
        if getattr(child, "operations", None) or getattr(child, "_layers", None):
            yield from _leaves(child, f"{prefix}{child.name}/")
        else:
            yield f"{prefix}{child.name}", child


def _overheard(name: str, operation: keras.Operation, heard: Callable[[str, keras.Operation, tf.Tensor], None]) -> Any:
    own = operation.call

    def call(*args: Any, **kwargs: Any) -> Any:
        outputs = own(*args, **kwargs)
        heard(name, operation, tf.nest.flatten(outputs)[0])
        return outputs

    return call
