"""A small sound system, and the same with one fault each; what the sanity tests must tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from kvision.core.resolved import Resolved, Sections
from tests.fakes import FakeSource
from tests.unit.engine import tiny

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kvision.engine.system import Batch

OPTIM = {"lr": 1e-2, "warmup_steps": 2, "ema": None, "weight_decay": 0.0}


class Sound(tiny.Tiny):
    """Looks at colours by a convolution, and can learn pictures by heart by a dense layer."""

    first: ClassVar[dict[str, Any]] = {}
    """Arguments of the first convolution."""

    def build(self) -> dict[str, keras.Model]:
        import keras

        from kvision.layers.normalization import BatchNormalization

        size, classes = self.recipe.data.size_px, self.info.num_classes
        image = keras.Input([size, size, 3], name="image")
        x = keras.layers.Conv2D(8, 3, padding="same", name="first", **self.first)(image)
        x = self.branch(keras.layers.ReLU()(BatchNormalization()(x)), image)
        local = keras.layers.Conv2D(classes, 1, name="local")(keras.layers.Dropout(self.recipe.model.dropout)(x))
        flat = keras.layers.Dense(24, activation="relu", name="seen")(keras.layers.Flatten()(BatchNormalization()(image)))
        whole = keras.layers.Dense(size * size * classes, kernel_initializer="zeros", name="whole")(flat)
        logits = keras.layers.Add(dtype="float32")([local, keras.layers.Reshape([size, size, classes])(whole)])
        return {"net": keras.Model(image, logits, name="sound")}

    def branch(self, x: keras.KerasTensor, image: keras.KerasTensor) -> keras.KerasTensor:
        """A place for faults."""
        del image
        return x


class WrongScale(Sound):
    """A loss that is summed over ten where it should be averaged."""

    def losses(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        return 10.0 * super().losses(logits, batch)


class Floor(Sound):
    """A loss that never comes to zero."""

    def losses(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        return 0.5 + super().losses(logits, batch)


class Frozen(Sound):
    """A layer that nobody trains."""

    first: ClassVar[dict[str, Any]] = {"trainable": False}


class Dead(Sound):
    """Beside a living layer one whose biases start so low that no unit ever answers."""

    def branch(self, x: keras.KerasTensor, image: keras.KerasTensor) -> keras.KerasTensor:
        import keras

        dead = keras.layers.Conv2D(4, 1, activation="relu", bias_initializer=keras.initializers.Constant(-50.0), name="buried")(image)
        return super().branch(keras.layers.Concatenate()([x, dead]), image)


class Vanishing(Sound):
    """Beside a healthy layer one whose weights start much too small."""

    def branch(self, x: keras.KerasTensor, image: keras.KerasTensor) -> keras.KerasTensor:
        import keras

        small = keras.layers.Conv2D(4, 1, kernel_initializer=keras.initializers.RandomNormal(stddev=1e-6), name="faint")(image)
        return super().branch(keras.layers.Concatenate()([x, small]), image)


class WrongGradient(Sound):
    """A layer whose gradient is a hundredth too large."""

    def branch(self, x: keras.KerasTensor, image: keras.KerasTensor) -> keras.KerasTensor:
        import keras
        import tensorflow as tf

        @keras.saving.register_keras_serializable("tests")
        class Bent(keras.layers.Layer):
            def call(self, inputs: tf.Tensor) -> tf.Tensor:
                return tf.custom_gradient(lambda x: (tf.identity(x), lambda upstream: 1.01 * upstream))(inputs)

        return Bent()(x)


class Leaking(Sound):
    """An evaluation that looks at the labels."""

    def eval_step(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        import tensorflow as tf

        net, truth = self.net, tf.one_hot(tf.cast(batch["mask"], tf.int32), self.info.num_classes)
        return self.with_networks({"net": lambda image, training: net(image, training=training) + 5.0 * truth * self.tint(image)})._evaluated(batch)

    def tint(self, image: tf.Tensor) -> tf.Tensor:
        """Something of the picture, so that the labels of others do not serve as well."""
        import tensorflow as tf

        return tf.cast(image[..., :1] > 0, tf.float32)

    def _evaluated(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        return super().eval_step(batch)


class Source(FakeSource):
    """Enough examples to tell learning from chance."""

    def __init__(self, options: Any = None, **rest: Any) -> None:
        super().__init__(options, **{"num": (64, 32), "shape": (16, 16), **rest})


class Unrelated(Source):
    """Masks of other pictures."""

    def split(self, name: Any) -> Any:
        import numpy as np

        found = super().split(name)
        order = np.random.default_rng(5).permutation(len(found))
        found._arrays = {**found._arrays, "mask": found._arrays["mask"][order]}
        return found


class Dark(Source):
    """Pictures that use next to nothing of their range."""

    def split(self, name: Any) -> Any:
        found = super().split(name)
        found._arrays = {**found._arrays, "image": found._arrays["image"] // 12}
        return found


def resolved(**sections: Any) -> Resolved:
    """A recipe for these systems."""
    found = tiny.resolved(**{"optim": OPTIM, "data": {"batch": 8}} | sections)
    return Resolved(found.recipe, {}, found.path, found.base, lambda system, source: Sections(type(found.recipe)))
