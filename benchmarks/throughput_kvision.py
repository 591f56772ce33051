"""Worker of `throughput.py`: the baseline `keras.Model.fit`, and kvision's own loop in fp32 and bf16."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from race import serve

from kvision import catalog
from kvision.engine.loop import Loop
from kvision.engine.session import Session, open_session
from kvision.layers.activation import ReLU
from kvision.layers.convolution import Conv2DTranspose
from kvision.layers.normalization import BatchNormalization

if TYPE_CHECKING:
    from collections.abc import Callable

OVERRIDES = ["model.width=32", "model.depth=3", "data.size_px=128", "data.batch=16", "data.train_size=32", "data.val_size=16", "loss.name=ce"]
KERAS = {ReLU: keras.layers.ReLU, Conv2DTranspose: keras.layers.Conv2DTranspose}
OPTIM = ["optim.name=adamw", "optim.schedule=constant", "optim.warmup_steps=0", "train.epochs=1000000"]


def session(precision: str) -> Session:
    """The recipe of the U-Net, at the benchmark's size, with one batch in memory for a data set."""
    resolved = catalog.load("unet", [*OVERRIDES, *OPTIM])
    recipe = resolved.recipe
    opened = open_session(resolved, catalog.system(recipe.system), catalog.source(recipe.data.source), devices="cpu", precision_name=precision)
    image, mask = batch(recipe.data.batch, recipe.data.size_px, opened.pipeline.info.num_classes)
    fields = {"image": image, "mask": mask, "weight": np.ones(len(image), np.float32), "index": np.arange(len(image))}
    opened.pipeline.train = lambda start, context=None: tf.data.Dataset.from_tensors(fields).repeat()  # type: ignore[method-assign]
    return opened


def batch(size: int, size_px: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Normalised images and masks, as good as any for timing."""
    random = np.random.default_rng(0)
    return random.normal(size=(size, size_px, size_px, 3)).astype(np.float32), random.integers(0, num_classes, (size, size_px, size_px)).astype(
        np.uint8
    )


def ours(precision: str) -> Callable[[int], None]:
    """Steps of kvision's own loop."""
    loop, done = Loop(session(precision)), [0]

    def run(steps: int) -> None:
        done[0] += steps
        loop.train(done[0])

    return run


def fit() -> Callable[[int], None]:
    """Steps of `keras.Model.fit` on the same graph, but for Keras' own layers where kvision has made its own."""
    net = session("fp32").system.net

    def with_keras_layers(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, BatchNormalization):
            return keras.layers.BatchNormalization(momentum=layer.momentum, epsilon=layer.epsilon, name=layer.name)
        return KERAS.get(type(layer), type(layer)).from_config(layer.get_config())

    model = keras.models.clone_model(net, clone_function=with_keras_layers)
    assert model.count_params() == net.count_params()
    model.compile(keras.optimizers.AdamW(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    image, mask = batch(16, 128, model.output_shape[-1])
    data = tf.data.Dataset.from_tensors((image, mask)).repeat()
    return lambda steps: model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0)


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(int(os.environ.get("BENCHMARK_THREADS", 0)))
    serve({"keras fit fp32": fit(), "kvision fp32": ours("fp32"), "kvision bf16": ours("bf16")})
