"""A tiny system with batch norm and dropout on the fake data set, and a recipe for it, for tests of the engine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kvision.core.schema import DataOptions, OptimOptions, Recipe, Section, TrainOptions
from kvision.systems.segmentation._part import Segmenter
from tests.fakes import FakeSource

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kvision.engine.session import Session
    from kvision.engine.system import Batch, Examples


class Tiny(Segmenter):
    """Two convolutions."""

    class Options(Section):
        width: int = 4
        dropout: float = 0.2

    def build(self) -> dict[str, keras.Model]:
        import keras

        from kvision.layers.normalization import BatchNormalization

        size = self.recipe.data.size_px
        image = keras.Input([size, size, 3], name="image")
        x = keras.layers.Conv2D(self.recipe.model.width, 3, padding="same")(image)
        x = keras.layers.Dropout(self.recipe.model.dropout)(keras.activations.relu(BatchNormalization(name="norm")(x)))
        logits = keras.layers.Conv2D(self.info.num_classes, 3, padding="same", dtype="float32")(x)
        return {"net": keras.Model(image, logits, name="tiny")}


class Fitted(Tiny):
    """Learns nothing by steps: the moving mean of its batch norm is fitted."""

    def build(self) -> dict[str, keras.Model]:
        networks = super().build()
        networks["net"].trainable = False
        return networks

    @property
    def mean(self) -> keras.Variable:
        return next(layer for layer in self.net.layers if layer.name == "norm").moving_mean

    def fit(self, examples: Examples) -> None:
        import numpy as np

        self.mean.assign(np.resize(np.concatenate([batch["image"] for batch in examples("train")]).mean((0, 1, 2)), 4))


class Poisoned(Tiny):
    """Loses itself on training example 7."""

    def example_losses(self, batch: Batch, training: bool = True) -> tf.Tensor:
        import tensorflow as tf

        return super().example_losses(batch, training) + tf.where(batch["index"] == 7, float("nan"), 0.0)


def resolved(
    *,
    data: dict[str, Any] | None = None,
    optim: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
    model: dict[str, Any] | None = None,
) -> Any:
    """A resolved recipe, as far as the engine looks at one: 24 training examples of 16x16, batches of 4, so 6 steps an epoch."""
    recipe = Recipe(
        system="segmentation/tiny",
        model=Tiny.Options(**(model or {})),
        loss=Tiny.Loss(),
        data=DataOptions(**{"source": "fake", "size_px": 16, "batch": 4, "augment": {"flip_x": 0.5}} | (data or {})),
        optim=OptimOptions(**{"lr": 1e-2, "warmup_steps": 2, "ema": 0.9} | (optim or {})),
        train=TrainOptions(**{"epochs": 3} | (train or {})),
    )
    values = recipe.model_dump(mode="json")
    return SimpleNamespace(recipe=recipe, origins={}, path=Path("recipes/tiny.yaml"), base=Path(), values=lambda: values, decided=dict)


def session(
    source: type = FakeSource, system: type = Tiny, devices: str = "cpu", precision_name: str = "fp32", training: bool = True, **sections: Any
) -> Session:
    """A session of `Tiny`."""
    from kvision.engine.session import open_session

    return open_session(resolved(**sections), system, source, devices=devices, precision_name=precision_name, training=training)
