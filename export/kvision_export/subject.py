"""What is exported: a trained system with its weights in, in float32 on the CPU, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvision.data.source import PICTURE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import keras

    from kvision.data.preprocess import Preprocess
    from kvision.data.source import SplitName
    from kvision.engine.session import Session
    from kvision.engine.system import System


@dataclass(frozen=True)
class Subject:
    """A trained system.

    Attributes:
        session: Opened with `precision_name="fp32"` and `training=False`, with the run's data and the weights in.
        run: The run folder.
        origin: Where the weights are: the run, one of its checkpoints, or a file.
        weights: `best`, `last` or `ema`.
        name: A short name for files, such as `unet`.
    """

    session: Session
    run: Path
    origin: Path
    weights: str
    name: str

    @property
    def system(self) -> System:
        """The system."""
        return self.session.system

    @property
    def preprocess(self) -> Preprocess:
        """From pictures to the network's input."""
        return self.session.pipeline.preprocess

    @property
    def labels_txt(self) -> str:
        """The names of the classes, one a line."""
        return "".join(f"{name}\n" for name in self.session.pipeline.info.class_names)

    def networks(self) -> dict[str, keras.Model]:
        """The networks to export, by the name of their signature."""
        return {name: self.system.networks[role] for name, role in self.system.signatures().items()}

    @property
    def takes_pictures(self) -> bool:
        """Whether the first network's only input is a picture, `image` `[B, S, S, 3]`."""
        return self.direct and self.field == PICTURE and len(self._inputs[0].shape) == 4

    @property
    def field(self) -> str:
        """The example field that `System.predict_step` takes."""
        return self.system.given

    @property
    def direct(self) -> bool:
        """Whether the first network takes what `System.predict_step` is given; others are fed with what the system makes of it, such as noise."""
        return [each.name for each in self._inputs] == [self.field]

    def examples(self, split: SplitName, numbers: Iterable[int], each: int = 1) -> np.ndarray:
        """Values of `field` as the data set has them, `[N, ...]`; pictures uint8 `[N, S, S, 3]`.

        Args:
            split: `train` or `val`.
            numbers: Of N examples.
            each: Of an agent, whose examples are episodes, how many of the observations that it comes to in each: then it is `[N * each, ...]`.

        Returns:
            What `given` takes.
        """
        raw = [self.session.pipeline.raw(split, number) for number in numbers]
        if not self.system.plays:
            return np.stack([example[self.field] for example in raw])
        batch = {name: tf.convert_to_tensor(np.stack([example[name] for example in raw])) for name in raw[0]}
        return self.system.seen(batch, each).numpy()

    def given(self, examples: np.ndarray) -> np.ndarray:
        """What `System.predict_step` is given for `examples`: pictures are normalised, all else is as it is, in the type that the network takes."""
        found = np.asarray(self.session.pipeline.normalised({self.field: examples})[self.field])
        return found.astype(self._inputs[0].dtype, copy=False) if self.direct else found

    @property
    def _inputs(self) -> list[keras.KerasTensor]:
        """Of the first network."""
        return next(iter(self.networks().values())).inputs
