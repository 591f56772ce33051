"""The seam between the engine and a system: the outer loop is the engine's, the inner step is the system's.

A leaf gives `Options` and `build()`; its family's base gives the rest. Importing a system must not import TensorFlow, so Keras is imported
inside the methods.
"""

from __future__ import annotations

import abc
import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from kvision.core.errors import UsageError
from kvision.data.source import PICTURE, SplitName

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy as np
    import tensorflow as tf
    from PIL import Image

    from kvision.core.errors import KvisionError
    from kvision.core.schema import Chosen, GroupOptions, Recipe, Section
    from kvision.data.preprocess import Preprocess
    from kvision.data.source import DataInfo, Source
    from kvision.engine.film import Film
    from kvision.engine.optim import Update
    from kvision.engine.pretrained import Pretrained
    from kvision.engine.replica import AnyVariable

Batch = Mapping[str, "tf.Tensor"]
Examples = Callable[[SplitName], Iterator[Mapping[str, "np.ndarray"]]]
"""All examples of a split in their order and as they are evaluated, in batches like those of `eval_step`, but none of weight 0."""
Mode = Literal["max", "min"]


@dataclass(frozen=True)
class Monitor:
    """The metric that says which checkpoint is the best one: a name as `metrics` returns it, without `val/`."""

    metric: str
    mode: Mode


@dataclass(frozen=True)
class Prediction:
    """What `kvision predict` keeps of one picture, or of one episode.

    Attributes:
        facts: Plain JSON for predictions.json.
        pictures: Pictures to be written, by kind.
        arrays: Arrays to be written, by kind.
        films: Films to be written, by kind.
    """

    facts: Mapping[str, Any]
    pictures: Mapping[str, Image.Image]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    films: Mapping[str, Film] = field(default_factory=dict)


Heat = Callable[["np.ndarray", Mapping[str, "np.ndarray"]], Prediction]
"""Of a picture uint8 `[H, W, 3]` and what `predict_step` says of it, where in it the answer lies."""


def is_better(value: float, best: float, mode: Mode) -> bool:
    """Whether a metric beats the best so far; anything beats NaN, and NaN beats nothing."""
    if math.isnan(value):
        return False
    return math.isnan(best) or (value > best if mode == "max" else value < best)


class System(abc.ABC):
    """One trainable system.

    The engine makes it inside the strategy's scope, calls `build` once, then `train_step` and `eval_step` in replica context.
    A step is replaced whole, never half by `super()`.
    """

    Options: ClassVar[type[Section]]
    Loss: ClassVar[type[Section]]
    fields: ClassVar[frozenset[str]]
    """Example fields that the system trains on; without `image` among them it needs a source of no pictures, nor does it see any."""
    given: ClassVar[str] = PICTURE
    """What `predict_step` takes: a field of the examples, unless `seen` makes it of them."""
    monitor: ClassVar[Monitor]
    reports: ClassVar[tuple[str, ...]] = ()
    """Scalars that `train_step` gives beside `loss`, to be shown and kept as means over the epoch's steps: columns `train/<name>`.
    NaN says that there is nothing to tell of a step."""
    exempt: ClassVar[Mapping[str, str]] = {}
    """Conformance property -> reason why it can't hold for this system."""
    task: ClassVar[str]
    """What an answer is, such as `segmentation`: a device chooses its decoder by it."""
    decision: ClassVar[str] = ""
    """The output of `predict_step` in whole numbers that is the answer: exported files are compared by it; none: there is no such output."""
    device_format: ClassVar[str] = "tflite-int8-full"
    """The format that suits the family on a device, and is exported unless another one is asked for; recurrent decoders: `tflite-dynamic`."""
    late: ClassVar[tuple[str, ...]] = ()
    """Sections of options, such as `model.decode`, that change no weight but how answers are found: evaluation may set them anew."""
    dense: ClassVar[bool] = False
    """Whether it answers for every pixel, so that with `data.fit=crop` a picture of any size can go through the network whole."""
    folder_source: ClassVar[str] = "image_masks"
    """The source that reads a labelled folder of the user's, which `kvision eval --data FOLDER` is given."""
    gates: ClassVar[Mapping[str, float]] = {"fp32": 1e-4, "fp16": 0.001, "dynamic": 0.005, "quantized": 0.01}
    """What an exported file may lose of the monitored metric, by kind of file; `fp32`: largest output error as a share of the outputs' range;
    `decisions`: share of its decisions that may be others than the networks', whatever the kind of file; without it, any."""
    relative: ClassVar[bool] = False
    """Whether the monitored metric is on the scale of the data, as returns are: `gates` are then shares of what the networks reach."""
    staged: ClassVar[bool] = False
    """Whether its training steps call its networks as wholes, which `optim.recompute` can then cut into stages."""
    plays: ClassVar[bool] = False
    """Whether it acts in an environment: an example to evaluate is then an episode, and `play` gives one."""

    def __init__(self, recipe: Recipe, info: DataInfo) -> None:
        self.recipe = recipe
        self.info = info
        self.networks: dict[str, keras.Model] = {}

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Faults that only show across sections, as `(dotted path, what came; what is accepted; what to do)`; no TensorFlow."""
        return []

    @classmethod
    def faults(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """What `check` finds, and what no system need ask for itself."""
        found = cls.check(recipe)
        if recipe.optim.recompute and not cls.staged:
            why = f"true has no effect on {recipe.system}, whose training does not go through networks of several stages; take it out"
            found = [*found, ("optim.recompute", why)]
        return found

    @classmethod
    def settle(cls, recipe: Recipe, source: Source) -> dict[str, Chosen]:
        """Decides options that stand open and that neither the recipe nor the machine decides, but the labels or other runs; asked before `build`.

        The system is then made with these values in its recipe, and the run keeps them: what was decided when it began holds for all its life.

        Args:
            recipe: As the system will have it; what the run has decided earlier is in it.
            source: The data; its splits tell labels without reading pictures.

        Returns:
            Values by dotted path, for those options that still stand open.

        Raises:
            KvisionError: If data or runs do not serve.
        """
        del recipe, source
        return {}

    @abc.abstractmethod
    def build(self) -> dict[str, keras.Model]:
        """The networks by role, the one that predicts first; the engine keeps them in `self.networks` before any step."""

    @property
    def unit(self) -> str:
        """What an example of the training split is, for figures such as `images/s`."""
        return "image" if self.given == PICTURE else "example"

    @property
    def net(self) -> keras.Model:
        """The network that predicts."""
        return next(iter(self.networks.values()))

    def with_networks(self, networks: Mapping[str, Any]) -> Self:
        """The same system on other networks, by role, in place of its own: Keras networks, or anything that is called like them."""
        other = copy.copy(self)
        other.networks = {**self.networks, **networks}
        return other

    def carried(self) -> dict[str, AnyVariable]:
        """What a training step hands to the next one beside the networks' weights, such as the state of a recurrent network, by name.

        Made in `build`, or when asked for in the strategy's scope before the first step; checkpoints of a training hold it, evaluation and export
        know nothing of it.
        """
        return {}

    def keep_in(self, folder: Path) -> None:
        """Says where a system that keeps files while it trains may do so: told before the state is restored; without a run there is no such place.

        Args:
            folder: Of the run.
        """
        del folder

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """The variables that each optimizer updates; one optimizer a network unless a system says otherwise."""
        return {role: net.trainable_variables for role, net in self.networks.items()}

    def groups(self) -> tuple[GroupOptions, ...]:
        """Parameter groups that the system's own options ask for; those of the recipe's `optim.groups` come before them."""
        return ()

    def pretrained(self, base: Path) -> Pretrained | None:
        """The weights that a run begins with in place of random ones; called once the networks are built.

        Args:
            base: Folder that relative paths start from.

        Returns:
            The weights; none: they begin at random.

        Raises:
            KvisionError: If they can't be had, or fit another network.
        """
        del base
        return None

    def fit(self, examples: Examples) -> None:
        """Sets what is not learnt step by step, such as a whitening, a codebook or the examples to compare with.

        Called once before the first step, when the first weights are in place and in the strategy's scope. What it sets must be weights of the
        networks, so that checkpoints hold it. A system that leaves nothing to learn, with `trainables` all empty, takes a single step.

        Args:
            examples: Gives the examples of a split; the test split is not for this.

        Raises:
            KvisionError: If the examples do not serve.
        """
        del examples

    def chosen(self) -> dict[str, Chosen]:
        """What `fit` chose for options that stand open, by dotted path, such as `model.probe_c`."""
        return {}

    @abc.abstractmethod
    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """One update on this replica's part of a global batch.

        Args:
            batch: The fields of `self.fields`, pictures `image` float32 `[b, S, S, 3]` normalised; `index` int64 `[b]`; `weight` float32 `[b]`.
            updates: One `Update` for each entry of `trainables()`; `Update.minimize` differentiates, reduces, clips and applies.

        Returns:
            Scalars whose sum over the replicas is the value for the global batch: `loss`, and those that `reports` names.
        """

    def blame(self) -> KvisionError | None:
        """Why a step could not be made, where the system knows, such as an environment that failed; asked after the graph failed."""
        return None

    @abc.abstractmethod
    def eval_step(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """What this replica's part of a batch says of the network, from one forward pass.

        Args:
            batch: As for `train_step`.

        Returns:
            Statistics that may be summed over replicas and batches, to which examples of weight 0 add nothing; and what is known of each example
            by name: numbers `[b]`, such as `worst`: how well it is solved, float32, greater is better; and answers `[b, ...]` for `judge`.
        """

    def judge(self, answers: Mapping[str, np.ndarray]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """What can only be told of all answers together and outside a graph, such as figures of sentences that go by how rare their words are.

        Args:
            answers: What `eval_step` said of each of N examples by name, `[N, ...]` in the order of their numbers.

        Returns:
            Metrics beside those of `metrics`; and numbers about each example by name `[N]`, `worst` first.
        """
        return {}, dict(answers)

    @abc.abstractmethod
    def metrics(self, sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Metrics by name from the summed statistics; `loss` and the monitored metric are among them."""

    def expected_initial_loss(self) -> float | None:
        """The loss that a network is near before it has learnt anything, such as log K for the cross-entropy; none: it depends on the data."""
        return None

    def tables(self, sums: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """What the report shows beside the metrics: `confusion` `[K, K]` (rows true), `per_class` {metric: [K]}."""
        return {}

    def examples(self, scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Which examples the report shows, beside some chosen at random.

        Args:
            scores: What `eval_step` said of all N examples by name, `[N]`.

        Returns:
            Numbers of examples by kind, in the order of the page: here the lowest of each score.
        """
        from kvision.metrics import selection

        return {kind: selection.lowest(values) for kind, values in scores.items()}

    @abc.abstractmethod
    def predict_step(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the network says of normalised images `[B, H, W, 3]`, after its postprocessing, e.g. `probabilities` `[B, H, W, K]`.

        A system that is not given pictures takes the values `[B, ...]` of the field `given` instead.
        """

    def seen(self, examples: Batch, each: int = 1) -> tf.Tensor:
        """What `predict_step` takes of examples.

        Args:
            examples: `[B, ...]` by field, as `eval_step` is given them.
            each: How much of each example, where it has more than one: of an episode, so many of the observations that the system comes to in it.

        Returns:
            `[B, ...]`; of episodes `[B * each, ...]`, those of one behind one another.
        """
        del each
        return examples[self.given]

    def play(self, seed: int) -> Prediction:
        """Acts in the environment for one episode.

        Args:
            seed: Of the episode.

        Returns:
            Return, length and end of the episode, and its film.

        Raises:
            UsageError: If the system does not act, or its environment can't be drawn here.
        """
        raise UsageError(f"{self.recipe.system} does not act in an environment: it has no episode {seed}")

    def signatures(self) -> dict[str, str]:
        """What is exported: names of an exported file's functions, and the role of the network that each one is.

        `predict_step` and `eval_step` must call these networks and no others, with the inputs in the order of the network's `inputs`, so that the
        exported functions can stand in for them.
        """
        return {"predict": next(iter(self.networks))}

    @property
    def not_exported(self) -> str:
        """Why there is no exported form of it, with its options, and what to do; empty: there is one."""
        return ""

    def decoding(self) -> dict[str, Any]:
        """How a device makes an answer of the networks' outputs, for the decoder of `task`; plain JSON."""
        return {}

    def answer(self, output: Mapping[str, tf.Tensor], preprocess: Preprocess, height: tf.Tensor, width: tf.Tensor) -> dict[str, tf.Tensor]:
        """What is served for one picture, in the graph.

        Args:
            output: What `predict_step` says of it, without the batch dimension.
            preprocess: How the picture was brought to the network's size.
            height: Of the picture itself, pixels, int32 scalar.
            width: Likewise.

        Returns:
            Tensors whose shapes do not depend on the picture's size, so that answers can be stacked; images as encoded bytes in an output
            whose name ends in `_bytes`.
        """
        return dict(output)

    def prediction(self, image: np.ndarray, output: Mapping[str, np.ndarray]) -> Prediction:
        """What is kept of a picture of any size.

        Args:
            image: uint8 `[H, W, 3]`.
            output: What `predict_step` says of it; of a dense system, `classes` uint8 `[H, W]`.

        Returns:
            Facts for predictions.json, and pictures.
        """
        return Prediction({name: value.tolist() for name, value in output.items()}, {"answer": self.picture(image, output, None)})

    def words(self, output: Mapping[str, np.ndarray]) -> str:
        """What `predict_step` said of one example, as a sentence, for evaluation.json and TensorBoard; empty: it speaks in pictures alone."""
        del output
        return ""

    def heat(self, preprocess: Preprocess) -> Heat:
        """What tells where in pictures of any size the answer lies, for `kvision predict --heatmap`.

        Args:
            preprocess: How pictures are brought to the network's size.

        Returns:
            A function of a picture and what `predict_step` says of it.

        Raises:
            UsageError: If the system, or a network with its options, can't tell.
        """
        del preprocess
        raise UsageError(f"--heatmap is for classifiers; {self.recipe.system} does not name whole pictures: leave it out")

    @abc.abstractmethod
    def picture(self, image: np.ndarray, output: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray] | None) -> Image.Image:
        """One example for a person to look at.

        Args:
            image: uint8 `[H, W, 3]`; of a system that is not given pictures, the value of the field `given`.
            output: What `predict_step` said of it.
            truth: The other fields, if they are known.

        Returns:
            A picture of any size.
        """
