"""What is exported: a trained system with its weights in, in float32 on the CPU, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from kvision.data.preprocess import Preprocess
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
        inputs = next(iter(self.networks().values())).inputs
        return len(inputs) == 1 and inputs[0].name == "image" and len(inputs[0].shape) == 4
