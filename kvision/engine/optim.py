"""One update of the weights: differentiate, accumulate, reduce over replicas, clip, apply. One `Update` for each optimizer of a system."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.core.errors import RunError, UsageError
from kvision.engine import groups, optimizers, randomness, replica
from kvision.engine.guard import Guard
from kvision.engine.precision import LossScale
from kvision.engine.system import Batch
from kvision.layers import normalization
from kvision.ops import draws, schedules

if TYPE_CHECKING:
    import keras

    from kvision.core.schema import OptimOptions
    from kvision.engine.plateau import Plateau
    from kvision.engine.system import System

Loss = Callable[[Batch], tf.Tensor]


@dataclass(frozen=True)
class Shared:
    """What all updates of a run have in common.

    Attributes:
        step: int64, the global step; the loop owns and raises it.
        rate: The learning rate as a function of the step.
        total_steps: Steps of the whole run.
        batch: Global batch size.
        accumulate: Micro-batches in a step.
        clip_norm: Largest global norm of an update's gradients; None: no clipping.
        loss_scale: Of `precision.loss_scale`.
        guard: Remembers steps that were not finite.
        plateau: Factor on the rate, for that schedule.
        seed: Seed of the random layers.
        generators: Seed generators of the random layers.
        buffers: Non-trainable variables, such as moving statistics, that a skipped step must leave as they were.
        averaged: Those of them of which each replica has its own after a forward pass, and all are to keep the mean.
    """

    step: tf.Variable
    rate: schedules.Schedule
    total_steps: int
    batch: int
    accumulate: int
    clip_norm: float | None
    loss_scale: LossScale
    guard: Guard
    plateau: Plateau | None
    seed: int
    generators: Sequence[keras.random.SeedGenerator]
    buffers: Sequence[keras.Variable]
    averaged: Sequence[keras.Variable]


class Update:
    """One optimizer: its groups, its state, and the step that a system asks it for."""

    def __init__(self, role: str, number: int, parts: Sequence[groups.Group], options: OptimOptions, shared: Shared) -> None:
        self.role = role
        self._number = number
        self._shared = shared
        self._parts = [(part, optimizers.create(options, f"{role}_{index}")) for index, part in enumerate(parts)]
        for part, optimizer in self._parts:
            optimizer.build(part.variables)
        self._trained = [variable for part, _ in self._parts for variable in part.variables]

    @property
    def variables(self) -> dict[str, keras.Variable]:
        """The optimizers' state by a name that is the same in every process."""
        return {
            f"{self.role}/{index}/{position:04d}": variable
            for index, (_, optimizer) in enumerate(self._parts)
            for position, variable in enumerate(optimizer.state)
        }

    def learning_rate(self, step: tf.Tensor | None = None) -> tf.Tensor:
        """The rate of a step, by default of the one to come, float32, before the groups' factors."""
        rate = self._shared.rate(tf.convert_to_tensor(self._shared.step) if step is None else step)
        return rate if self._shared.plateau is None else rate * tf.convert_to_tensor(self._shared.plateau.multiplier)

    def minimize(self, loss: Loss, batch: Batch, *, of: int | None = None) -> tf.Tensor:
        """One step down the gradient of the global batch's mean loss; in replica context.

        The gradients are summed over micro-batches and replicas, unscaled, and clipped by their global norm over all groups. When loss or
        gradients are not finite nothing changes but the guard (and float16's loss scale): weights, slots and moving statistics stay.

        Args:
            loss: From a (micro-)batch to the loss of each example `[b]`.
            batch: This replica's part of the global batch; `weight` `[b]` weights the examples if it is there.
            of: How many examples the mean is of, over all replicas; none: `data.batch`. For systems that update on other batches than they are given.

        Returns:
            This replica's part of the loss, scalar; the sum over replicas is the loss of the global batch.

        Raises:
            UsageError: The replica's part can't be cut into `accumulate` equal micro-batches.
            RunError: A variable gets no gradient.
        """
        shared = self._shared
        before = [tf.identity(variable.value) for variable in shared.buffers]
        value, gradients = self._differentiate(loss, batch, of or shared.batch)
        statistics = [tf.identity(variable.value) for variable in shared.averaged]
        total, *sums = _sum_over_replicas([value, *gradients, *statistics])
        gradients, statistics = sums[: len(gradients)], sums[len(gradients) :]
        step = tf.convert_to_tensor(shared.step)
        norm = tf.linalg.global_norm(gradients) / shared.loss_scale.value
        finite = tf.math.is_finite(norm) & tf.math.is_finite(total)
        go = shared.guard.judge(step, finite=finite, hopeless=shared.loss_scale.exhausted | ~tf.math.is_finite(total))

        def apply() -> tf.Tensor:
            self._apply(gradients, norm)
            for variable, summed in zip(shared.averaged, statistics, strict=True):
                replica.assign(variable, summed / tf.distribute.get_strategy().num_replicas_in_sync)
            return go

        def keep() -> tf.Tensor:
            for variable, old in zip(shared.buffers, before, strict=True):
                replica.assign(variable, old)
            return go

        tf.cond(go, apply, keep)
        shared.loss_scale.update(finite)
        return value

    def _differentiate(self, loss: Loss, batch: Batch, of: int) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """This replica's loss, and the gradients of the scaled loss, summed over the micro-batches one after the other."""
        value, gradients = self._micro(loss, batch, of, 0, ())
        for micro in range(1, self._shared.accumulate):
            # The next micro-batch waits for the gradients of this one, so that only one set of activations is in memory.
            more, parts = self._micro(loss, batch, of, micro, gradients)
            value, gradients = value + more, [a + b for a, b in zip(gradients, parts, strict=True)]
        return value, gradients

    def _micro(self, loss: Loss, batch: Batch, of: int, micro: int, after: Sequence[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Loss and gradients of micro-batch number `micro`, begun after the tensors `after`."""
        shared = self._shared
        with tf.control_dependencies(list(after)):
            part = {key: tf.identity(_slice(key, tensor, micro, shared.accumulate)) for key, tensor in batch.items()}
        context = tf.distribute.get_replica_context()
        number = 0 if context is None else context.replica_id_in_sync_group
        randomness.reseed(shared.generators, shared.seed, tf.convert_to_tensor(shared.step), number, micro, self._number)
        count = next(iter(part.values())).shape[0]
        with draws.at((number * shared.accumulate + micro) * count, count), tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in self._trained])
            examples = tf.cast(loss(part), tf.float32)
            if "weight" in part:
                examples *= part["weight"]
            value = tf.reduce_sum(examples) / of
            scaled = value * shared.loss_scale.value
        gradients = tape.gradient(scaled, [variable.value for variable in self._trained])
        return value, _complete(self.role, self._trained, gradients)

    def _apply(self, gradients: Sequence[tf.Tensor], norm: tf.Tensor) -> None:
        """Clips, decays and updates; in replica context."""
        shared = self._shared
        factor: tf.Tensor | float = 1.0 / shared.loss_scale.value
        if shared.clip_norm is not None:
            factor *= shared.clip_norm / tf.maximum(norm, shared.clip_norm)
        if not isinstance(factor, float):
            gradients = [gradient * factor for gradient in gradients]
        rate, start = self.learning_rate(), 0
        for part, optimizer in self._parts:
            own_rate = self._own_rate(rate, part)
            for variable, decay in zip(part.variables, part.decay, strict=True):
                if decay:
                    replica.assign_sub(variable, variable.value * (own_rate * decay))
            optimizer.update(gradients[start : start + len(part.variables)], part.variables, own_rate)
            start += len(part.variables)

    def _own_rate(self, rate: tf.Tensor, part: groups.Group) -> tf.Tensor:
        """The learning rate of a group: 0 while it is frozen."""
        scaled = rate * part.lr_scale if part.lr_scale != 1.0 else rate
        if not part.frozen_until:
            return scaled
        start = math.ceil(part.frozen_until * self._shared.total_steps)
        return tf.where(tf.convert_to_tensor(self._shared.step) < start, 0.0, scaled)


def _slice(key: str, tensor: tf.Tensor, micro: int, accumulate: int) -> tf.Tensor:
    """The examples of one micro-batch."""
    if accumulate == 1:
        return tensor
    size = tensor.shape[0]
    if size is None or size % accumulate:
        raise UsageError(
            f"optim.accumulate: a replica's {size} examples ({key}) can't be cut into {accumulate} equal micro-batches; "
            f"use a data.batch that is a multiple of replicas x {accumulate}, or another optim.accumulate"
        )
    length = size // accumulate
    return tensor[micro * length : (micro + 1) * length]


def _complete(role: str, variables: Sequence[keras.Variable], gradients: Sequence[tf.Tensor | None]) -> list[tf.Tensor]:
    """The gradients as dense tensors; complains of those that are missing."""
    missing = [variable.path for variable, gradient in zip(variables, gradients, strict=True) if gradient is None]
    if missing:
        raise RunError(
            f"the loss of update {role!r} does not depend on {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}; "
            f"leave them out of trainables(), or freeze them by a group in optim.groups with lr_scale: 0"
        )
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def _sum_over_replicas(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """The sums over all replicas, in one reduction; nothing to do for a single replica."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensors
    return list(context.all_reduce(tf.distribute.ReduceOp.SUM, tensors))


def make(
    options: OptimOptions,
    trainables: Mapping[str, Sequence[keras.Variable]],
    *,
    total_steps: int,
    batch: int,
    step: tf.Variable,
    loss_scale: LossScale | None = None,
    guard: Guard | None = None,
    plateau: Plateau | None = None,
    seed: int = 0,
    networks: Sequence[keras.Model] = (),
) -> dict[str, Update]:
    """The updates of a system, by the names of `System.trainables`; call it inside the strategy's scope.

    Args:
        options: The recipe's `optim` section.
        trainables: Variables that each update trains.
        total_steps: Steps of the whole run.
        batch: Global batch size.
        step: int64, the global step, owned by the loop: `replica.scalar(0, tf.int64, "step")`.
        loss_scale: Of `precision.loss_scale`; none: no scaling.
        guard: Remembers the first bad step; none: one of its own.
        plateau: For the schedule `plateau`: `Plateau(options.decay, options.patience_epochs)`; none: the factor is 1.
        seed: Seed of the random layers.
        networks: Their random layers are reseeded before every forward pass, and their moving statistics kept from bad steps.

    Returns:
        One `Update` for each entry of `trainables`.

    Raises:
        UsageError: A parameter group is wrong, or all variables of an update are frozen.
    """
    generators = randomness.seed_generators(networks)
    states = {id(generator.state) for generator in generators}
    buffers = [variable for network in networks for variable in network.non_trainable_variables if id(variable) not in states]
    shared = Shared(
        step=step,
        rate=schedules.learning_rate(options, total_steps, batch),
        total_steps=total_steps,
        batch=batch,
        accumulate=options.accumulate,
        clip_norm=options.clip_norm,
        loss_scale=loss_scale or LossScale(),
        guard=guard or Guard(),
        plateau=plateau,
        seed=seed,
        generators=generators,
        buffers=buffers,
        averaged=[variable for network in networks for variable in normalization.per_replica(network)],
    )
    parts = groups.split(options, trainables)
    for role, own in parts.items():
        if trainables[role] and not own:
            raise UsageError(f"optim.groups: every variable of {role!r} is frozen by lr_scale: 0; leave at least one to train")
    return {role: Update(role, number, own, options, shared) for number, (role, own) in enumerate(parts.items())}


def of_system(
    system: System,
    options: OptimOptions,
    *,
    total_steps: int,
    step: tf.Variable,
    loss_scale: LossScale,
    guard: Guard,
    plateau: Plateau | None = None,
) -> dict[str, Update]:
    """The updates of a system whose networks are built, with the parameter groups that it asks for after those of the options.

    Args:
        system: Its recipe tells batch and seed.
        options: The `optim` section to train by.
        total_steps: As for `make`, like all the rest.
        step: Likewise.
        loss_scale: Likewise.
        guard: Likewise.
        plateau: Likewise.

    Returns:
        One `Update` for each entry of `System.trainables`.

    Raises:
        UsageError: A parameter group is wrong, or all variables of an update are frozen.
    """
    return make(
        options.model_copy(update={"groups": (*options.groups, *system.groups())}),
        system.trainables(),
        total_steps=total_steps,
        batch=system.recipe.data.batch,
        step=step,
        loss_scale=loss_scale,
        guard=guard,
        plateau=plateau,
        seed=system.recipe.train.seed,
        networks=list(system.networks.values()),
    )
