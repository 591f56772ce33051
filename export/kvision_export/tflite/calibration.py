"""Training examples for quantization to measure ranges on: through the evaluation transform, never augmented, and none that validation has too."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision.core.labels import IGNORE_LABEL
from kvision.data.source import PICTURE
from kvision_export.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras

    from kvision.data.pipeline import Pipeline
    from kvision_export.subject import Subject

COUNT = 200
_POOL = 4
"""Examples looked at for each one chosen, so that rare classes are found."""
_AT_ONCE = 16
"""Examples that are predicted together."""
EPISODES = 16
"""Of an agent, from which its observations are taken."""


@dataclass(frozen=True)
class Calibration:
    """The chosen examples.

    Attributes:
        names: Names of the training examples.
        indices: Their numbers in the training split.
        inputs: What the networks are called with, float32 `[N, ...]` by signature and input.
        seed: `train.seed`, which the choice follows from.
        classes: In how many of them each class occurs, where the data set tells.
        shared: Training examples left out because validation has the same.
        sha256: Of their values; of pictures, of the pixels uint8 `[N, S, S, 3]`.
    """

    names: tuple[str, ...]
    indices: tuple[int, ...]
    inputs: dict[str, dict[str, np.ndarray]]
    seed: int
    classes: dict[str, int]
    shared: tuple[str, ...]
    sha256: str

    @property
    def fewest(self) -> int:
        """Calls of the network that has the fewest."""
        return min((len(values) for part in self.inputs.values() for values in part.values()), default=0)

    def to_json(self) -> dict[str, Any]:
        """All but the values, for the bundle; with the range of every input."""
        ranges = {
            key: {name: [float(values.min()), float(values.max())] for name, values in part.items()} for key, part in self.inputs.items() if part
        }
        return {
            "split": "train",
            "transform": "evaluation",
            "count": len(self.names),
            "seed": self.seed,
            "classes": self.classes,
            "left_out_for_validation": list(self.shared),
            "sha256": self.sha256,
            "ranges": ranges,
            "names": list(self.names),
            "indices": list(self.indices),
        }


def choose(subject: Subject, count: int = COUNT) -> Calibration:
    """Chooses calibration examples: seeded, spread over the training split, with every class as often as can be.

    Args:
        subject: What is exported.
        count: Number of examples; fewer if the training split has fewer.

    Returns:
        The examples and what each network is called with for them.

    Raises:
        ExportError: If no training example is left that validation does not have too.
    """
    pipeline, seed = subject.session.pipeline, subject.session.recipe.train.seed
    if subject.system.plays:
        return _played(subject, count)
    validation = set(_validation_hashes(subject))
    order = np.random.default_rng(seed).permutation(pipeline.num_train)[: _POOL * count]
    found, shared = {}, []
    for index in map(int, order):
        example = pipeline.raw("train", index)
        if _hash(example[subject.field]) in validation:
            shared.append(pipeline.name("train", index))
            continue
        found[index] = _classes(example)
    if not found:
        raise ExportError(
            f"every one of the {len(order)} training examples looked at is a validation example too; ranges measured on them would flatter the "
            "proof: mend the splits of the data set"
        )
    indices = sorted(_balanced(found, count))
    examples = subject.examples("train", indices)
    times = Counter(value for index in indices for value in found[index])
    return Calibration(
        names=tuple(pipeline.name("train", index) for index in indices),
        indices=tuple(indices),
        inputs=calls(subject, subject.given(examples)),
        seed=seed,
        classes={_class_name(pipeline, value): times[value] for value in sorted(times)},
        shared=tuple(shared),
        sha256=hashlib.sha256(examples.tobytes()).hexdigest(),
    )


def _played(subject: Subject, count: int) -> Calibration:
    """Of an agent, observations that it comes to in episodes with seeds of the training, which validation never has."""
    pipeline, seed = subject.session.pipeline, subject.session.recipe.train.seed
    indices = sorted(np.random.default_rng(seed).choice(pipeline.num_train, min(EPISODES, count, pipeline.num_train), replace=False).tolist())
    examples = subject.examples("train", indices, -(-count // len(indices)))
    examples = examples[np.linspace(0, len(examples) - 1, count).astype(int)]
    return Calibration(
        names=tuple(pipeline.name("train", index) for index in indices),
        indices=tuple(indices),
        inputs=calls(subject, subject.given(examples)),
        seed=seed,
        classes={},
        shared=(),
        sha256=hashlib.sha256(examples.tobytes()).hexdigest(),
    )


def _hash(example: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(example).tobytes()).digest()


def _validation_hashes(subject: Subject) -> Iterator[bytes]:
    """Of all validation examples; of pictures as they lie in the square."""
    for batch in subject.session.pipeline.val().as_numpy_iterator():
        values = batch[subject.field]
        if subject.field == PICTURE:  # batches come normalised; the pixels are the whole numbers that they were made from
            mean, std = (np.asarray(each, np.float32) for each in (subject.preprocess.mean, subject.preprocess.std))
            values = np.rint((values * std + mean) * 255).astype(np.uint8)
        yield from map(_hash, values)


def _classes(example: dict[str, np.ndarray]) -> frozenset[int]:
    """The classes that occur in an example, from whichever of its fields tells."""
    if "targets" in example:
        return frozenset(np.flatnonzero(example["targets"]).tolist())
    for name in ("label", "labels", "mask"):
        if name in example:
            return frozenset(int(value) for value in np.unique(example[name]) if 0 <= value != IGNORE_LABEL)
    return frozenset()


def _class_name(pipeline: Pipeline, value: int) -> str:
    names = pipeline.info.class_names
    return names[value] if value < len(names) else str(value)


def _balanced(found: dict[int, frozenset[int]], count: int) -> list[int]:
    """Examples chosen one after another, each with the class that is rarest among those before it, in the given order where it matters not."""
    waiting, times = dict.fromkeys(found), Counter[int]()
    chosen: list[int] = []
    every = frozenset().union(*found.values())
    while waiting and len(chosen) < count:
        rarest = sorted(every, key=lambda value: (times[value], value))
        index = next((each for value in rarest for each in waiting if value in found[each]), next(iter(waiting)))
        del waiting[index]
        chosen.append(index)
        times.update(found[index])
    return chosen


class _Recorder:
    """Stands in for a network and keeps what it is called with."""

    def __init__(self, net: keras.Model) -> None:
        self._net = net
        self.calls: list[list[np.ndarray]] = []

    def __call__(self, inputs: Any, **options: Any) -> Any:
        self.calls.append([np.asarray(each) for each in tf.nest.flatten(inputs)])
        return self._net(inputs, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._net, name)


def calls(subject: Subject, examples: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """What each network is called with while the system predicts: no family has to say so.

    Args:
        subject: What is exported.
        examples: As `Subject.given` gives them, `[N, ...]`.

    Returns:
        Inputs `[N, ...]` by signature and name. Of a network that is called several times an example, such as the step of a decoder, as many calls
        are kept as there are examples, evenly spread.
    """
    networks = subject.networks()
    if len(networks) == 1 and subject.direct:
        return {name: {subject.field: examples} for name in networks}
    recorders = {role: _Recorder(net) for role, net in subject.system.networks.items()}
    system = subject.system.with_networks(recorders)
    for start in range(0, len(examples), _AT_ONCE):
        system.predict_step(tf.constant(examples[start : start + _AT_ONCE]))
    inputs = {}
    for name, role in subject.system.signatures().items():
        columns = [np.concatenate(column) for column in zip(*recorders[role].calls, strict=True)]
        kept = np.linspace(0, len(columns[0]) - 1, min(len(columns[0]), len(examples))).astype(int)
        inputs[name] = {each.name: column[kept] for each, column in zip(networks[name].inputs, columns, strict=True)}
    return inputs
