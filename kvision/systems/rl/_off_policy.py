"""What agents share that learn from a replay buffer: its options, and the order of playing, keeping, drawing and learning.

An engine step plays `data.batch` environment steps, puts them into the buffer, and then makes `model.gradient_steps` updates, each on a minibatch of
its own, all of which are drawn before the first update.
"""

from __future__ import annotations

import abc
import functools
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from pydantic import Field

from kvision.core.errors import UsageError
from kvision.core.schema import Count, Probability, Recipe
from kvision.data.episodes import EpisodeOptions
from kvision.systems.rl._part import Agent, NetworkOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import keras
    import tensorflow as tf

    from kvision.core.errors import KvisionError
    from kvision.data.source import DataInfo
    from kvision.engine.replica import AnyVariable
    from kvision.systems.rl._actors import Actors
    from kvision.systems.rl._collector import Collector, Draw
    from kvision.systems.rl._replay import Transitions
    from kvision.systems.rl._replay_disk import DiskRows, Kinds

Found: TypeAlias = "tuple[dict[str, tf.Tensor], tf.Tensor]"
"""What an update says: scalars, this replica's part, `loss` among them; and the temporal-difference error of each transition `[m]`."""
_DRAWS = 250
"""Stream of random numbers; those of the systems lie below, and those that acting draws from far below."""


class OffPolicyOptions(NetworkOptions):
    """What is kept of what was played, and how much is learnt from it."""

    hidden: tuple[int, ...] = Field((256, 256), description="Widths of the dense layers of an `mlp`.")
    activation: Literal["tanh", "relu", "elu", "gelu", "silu"] = Field("relu", description="Of the dense layers.")
    capacity: Count = Field(100_000, description="Transitions that are kept; the oldest make room for new ones.")
    learning_starts: int = Field(1000, ge=0, le=10**9, description="Transitions that must be there before anything is learnt.")
    minibatch: Count = Field(64, description="Transitions of an update, over all devices.")
    gradient_steps: Count = Field(1, description="Updates after each `data.batch` environment steps.")
    n_step: int = Field(1, ge=1, le=100, description="Rewards that are added up before a value is asked for; fewer at an episode's end.")
    prioritised: bool = Field(False, description="Draw transitions oftener that the network was wrong about (Schaul 2016).")
    priority_alpha: Probability = Field(0.6, description="Of `prioritised`: 0: all alike; 1: in proportion to the error.")
    priority_beta: Probability = Field(0.4, description="Of `prioritised`: how far weights make up for it at first; at the run's end fully.")
    replay: Literal["memory", "disk"] = Field("memory", description="Where the buffer is; `disk`: in memory-mapped files in the run's folder.")
    actors: int = Field(0, ge=0, le=256, description="Processes that play while this one learns; 0: it plays itself. Not the same twice.")
    actor_ahead: int = Field(2, ge=1, le=1000, description="Rollouts that an actor may be ahead before it waits.")
    actor_refresh: Count = Field(1, description="Engine steps between two updates of the actors' weights.")
    actor_timeout_s: float = Field(120.0, gt=0.0, le=86_400.0, description="Seconds without a rollout after which an actor is given up.")
    checkpoint_replay: bool = Field(True, description="Keep the buffer in checkpoints; else a resumed run fills it anew before it learns on.")


def faults(recipe: Recipe) -> list[tuple[str, str]]:
    """Options that do not fit one another, for `System.check`."""
    options, data = recipe.model, recipe.data
    if not isinstance(options, OffPolicyOptions) or not isinstance(data, EpisodeOptions):
        return []
    found, lanes = [], data.envs
    for path, needed in (("model.learning_starts", options.learning_starts), ("data.batch", data.batch)):
        if options.capacity // lanes * lanes < needed:
            fault = f"{options.capacity} transitions are fewer than {path}={needed}; use at least {-(-needed // lanes) * lanes}, or a smaller {path}"
            found.append(("model.capacity", fault))
    if options.actors and lanes % options.actors:
        found.append(("model.actors", f"{options.actors} can't share data.envs={lanes} lanes; use a divisor of {lanes}"))
    if options.n_step > 1 and options.checkpoint_replay and (options.actors or not data.resumes_within_episodes):
        fault = f"--resume begins new episodes, whose rewards model.n_step={options.n_step} would add to those of the old ones; use false or n_step=1"
        found.append(("model.checkpoint_replay", fault))
    if options.reward == "normalised":
        found.append(("model.reward", "normalised rewards would mean something else each time they are drawn from the buffer; use raw or sign"))
    return found


class OffPolicy(Agent):
    """An agent that learns from a replay buffer."""

    compiles: ClassVar[bool] = False
    """Whether XLA is to compile the updates."""

    def __init__(self, recipe: Recipe, info: DataInfo) -> None:
        super().__init__(recipe, info)
        if recipe.model.actors:  # type: ignore[attr-defined]
            self.reports = (*type(self).reports, "lag")  # type: ignore[misc]

    @functools.cached_property
    def experience(self) -> Experience:
        """Its buffer; made in the strategy's scope."""
        return Experience(self, compiles=self.compiles)

    @functools.cached_property
    def collector(self) -> Collector | Actors:  # type: ignore[override]
        """Plays the training's lanes, or has actors play them."""
        import tensorflow as tf

        from kvision.systems.rl._actors import Actors

        count, replicas = self.recipe.model.actors, tf.distribute.get_strategy().num_replicas_in_sync  # type: ignore[attr-defined]
        if not count:
            return super().collector
        if replicas > 1:
            raise UsageError(f"model.actors: {count} actors are for one device that learns, and there are {replicas}; use 0, or another --devices")
        return Actors(self)

    @abc.abstractmethod
    def explore(self, observation: tf.Tensor, draw: Draw) -> dict[str, tf.Tensor]:
        """How it acts while it learns: `action` for observations `[n, ...]`."""

    def told(self) -> dict[str, tf.Tensor]:
        """What every agent of this kind reports; this replica's part."""
        import tensorflow as tf

        from kvision.engine import rows
        from kvision.systems.rl._actors import Actors

        found = {"return": tf.identity(self.collector.returns) / rows.place()[1]}
        return {**found, "lag": tf.identity(self.collector.lag)} if isinstance(self.collector, Actors) else found

    def carried(self) -> dict[str, AnyVariable]:
        """Where the lanes stand, and the replay buffer."""
        return {**super().carried(), **self.experience.variables}

    def keep_in(self, folder: Path) -> None:
        """A buffer in files is there."""
        if self.experience.files is not None:
            self.experience.files.keep_in(folder / "replay")

    def blame(self) -> KvisionError | None:
        """What went wrong in a lane, or with the buffer's files."""
        files = self.experience.files
        return super().blame() or (None if files is None else files.fault)


class Experience:
    """The replay buffer of an agent, and what is learnt from it.

    Args:
        agent: Its options and its environment are read; make it inside the strategy's scope.
        compiles: Whether XLA is to compile the updates: worth a fifth of the time where minibatches are small, and nothing where they are not.

    Attributes:
        made: Updates made so far, int64 scalar variable.
    """

    def __init__(self, agent: OffPolicy, *, compiles: bool = False) -> None:
        import tensorflow as tf

        from kvision.engine import replica
        from kvision.systems.rl import _exploration, _network
        from kvision.systems.rl._prioritised import Priorities
        from kvision.systems.rl._replay import Replay

        options: OffPolicyOptions = agent.recipe.model  # type: ignore[assignment]
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if options.minibatch % replicas:
            raise UsageError(f"model.minibatch: {options.minibatch} transitions can't be shared by {replicas} devices; use a multiple of {replicas}")
        if replicas > 1 and options.replay == "disk":
            raise UsageError(f"model.replay: disk is for one device, and there are {replicas}; use memory, or another --devices")
        self._agent, self._options = agent, options
        self._total = _exploration.run_steps(agent.recipe)
        self._compiles = compiles and _network.body_of(agent.spaces, options) == "mlp"
        priorities = Priorities(options.capacity, options.priority_alpha) if options.prioritised else None
        lanes: int = agent.recipe.data.envs  # type: ignore[attr-defined]
        self._replay = Replay(
            agent.spaces,
            lanes,
            options.capacity,
            n_step=options.n_step,
            gamma=options.gamma,
            priorities=priorities,
            on_disk=options.replay == "disk",
        )
        self.made = replica.scalar(0, tf.int64, "updates")

    @property
    def kinds(self) -> Kinds:
        """Shape and type of each field of a transition."""
        return self._replay.kinds

    @property
    def files(self) -> DiskRows | None:
        """Where the buffer is, if it is in files."""
        return self._replay.files

    @property
    def variables(self) -> dict[str, AnyVariable]:
        """What checkpoints hold, by name."""
        kept = self._replay.variables if self._options.checkpoint_replay else {}
        return {"replay/updates": self.made, **{f"replay/{name}": variable for name, variable in kept.items()}}

    def play(self, normaliser: keras.layers.Layer | None = None) -> None:
        """Plays on, and keeps what happened.

        Args:
            normaliser: Of the observations, which is shown those of the rollout.
        """
        import tensorflow as tf

        rollout = self._agent.collector.rollout(self._agent.explore, self._agent.rollout_length)
        if normaliser is not None:
            normaliser.see(tf.reshape(rollout["observation"], [-1, *rollout["observation"].shape[2:]]))
        reward = tf.sign(rollout["reward"]) if self._options.reward == "sign" else rollout["reward"]
        self._replay.add({**rollout, "reward": reward})

    def draw(self) -> Transitions:
        """Draws all minibatches of this engine step; this replica's part of each, see `Replay.draw`."""
        import tensorflow as tf

        options = self._options
        share = tf.cast(tf.minimum(tf.identity(self._agent.collector.steps) / self._total, 1.0), tf.float32)
        beta = options.priority_beta + (1.0 - options.priority_beta) * share
        return self._replay.draw(options.gradient_steps, options.minibatch, self.key(_DRAWS), beta)

    def learn(self, batches: Transitions, names: Sequence[str], update: Callable[[Transitions], Found], together: int = 1) -> dict[str, tf.Tensor]:
        """Learns from minibatches, one after the other; from none, as long as the buffer holds too little.

        Args:
            batches: As `draw` gives them, `[G, m, ...]`, with further fields that an update may need, `[G, ...]`.
            names: Of the scalars that an update gives.
            update: Of a minibatch `[m, ...]`, or of several `[K, m, ...]`.
            together: K, a divisor of G; 1: one at a time.

        Returns:
            Means of the scalars over the updates, 0 if there were none.
        """
        import tensorflow as tf

        from kvision.engine import replica, rows
        from kvision.systems.rl import _phase

        count, rounds = self._options.gradient_steps, self._options.gradient_steps // together
        ready = self._replay.size >= self._options.learning_starts
        if rows.place()[1] > 1:  # replicas can't meet in a branch: until then what they learn weighs nothing
            batches = {**batches, "weight": batches["weight"] * tf.cast(ready, tf.float32)}

        def phase(batches: Transitions) -> dict[str, tf.Tensor]:
            if together > 1:
                batches = {name: tf.reshape(values, [rounds, together, *values.shape[1:]]) for name, values in batches.items()}
            return _phase.repeat(rounds, lambda number: one(number, {name: values[number] for name, values in batches.items()}))

        def one(number: tf.Tensor, minibatch: Transitions) -> dict[str, tf.Tensor]:
            found, error = update(minibatch)
            if not self._options.prioritised:
                return found
            place = tf.reshape(tf.one_hot(number, rounds), [-1, *[1] * len(error.shape)])
            return {**found, "error": rounds * place * error}  # so that the means over the updates are the errors of all of them

        def learn() -> dict[str, tf.Tensor]:
            found = _phase.compiled(phase, batches, wanted=self._compiles)
            if self._options.prioritised:
                self._replay.learnt(batches["place"], tf.reshape(found.pop("error"), batches["place"].shape))
            replica.assign(self.made, self.made + count)
            return found

        return learn() if rows.place()[1] > 1 else tf.cond(ready, learn, lambda: {name: tf.zeros([]) for name in names})

    def key(self, stream: int) -> tf.Tensor:
        """A seed of this engine step's own, int64 `[2]`."""
        import tensorflow as tf

        return tf.stack([tf.constant((self._agent.recipe.train.seed << 8) + stream, tf.int64), tf.identity(self._agent.collector.steps)])

    def noise(self, shape: list[int], stream: int) -> tf.Tensor:
        """Normal numbers, the same on all replicas."""
        import tensorflow as tf

        return tf.random.stateless_normal(shape, self.key(stream))

    def noises(self, width: int, stream: int) -> tf.Tensor:
        """Normal numbers for each transition of this engine step's minibatches, `[G, m, width]`, those of this replica."""
        import tensorflow as tf

        from kvision.engine import rows

        options = self._options
        return tf.transpose(rows.mine(self.noise([options.minibatch, options.gradient_steps, width], stream)), [1, 0, 2])


def follow(target: keras.Model, network: keras.Model, tau: float = 1.0) -> None:
    """Moves a target network's weights by the share `tau` of the way towards another network's; 1: they become the same.

    References:
        Lillicrap et al. 2016, arXiv 1509.02971, algorithm 1.
    """
    from kvision.engine import replica

    for slow, fast in zip(target.trainable_variables, network.trainable_variables, strict=True):
        if tau == 1.0:
            replica.assign(slow, fast.value)
        else:
            replica.assign_sub(slow, tau * (slow.value - fast.value))
