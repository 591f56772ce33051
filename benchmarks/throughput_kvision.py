"""Worker of `throughput.py TASK`: the baseline `keras.Model.fit`, and kvision's own loop, in fp32 and bf16."""

from __future__ import annotations

import math
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from race import serve
from throughput_tasks import TASKS, Task

from kvision import catalog
from kvision.engine.loop import Loop
from kvision.engine.session import Session, open_session
from kvision.layers.activation import ReLU
from kvision.layers.convolution import Conv2D, Conv2DTranspose
from kvision.layers.normalization import BatchNormalization

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.core.schema import OptimOptions

KERAS = {ReLU: keras.layers.ReLU, Conv2D: keras.layers.Conv2D, Conv2DTranspose: keras.layers.Conv2DTranspose}
OVERRIDES = ["optim.schedule=constant", "optim.warmup_steps=0", "train.epochs=1000000"]


def session(task: Task, precision: str) -> Session:
    """The task's recipe with one batch in memory for a data set."""
    resolved = catalog.load(task.recipe, [*task.overrides, f"data.size_px={task.size_px}", f"data.batch={task.batch}", *OVERRIDES])
    recipe = resolved.recipe
    opened = open_session(resolved, catalog.system(recipe.system), catalog.source(recipe.data.source), devices="cpu", precision_name=precision)
    assert opened.pipeline.info.num_classes == task.classes
    task.check(sum(math.prod(variable.shape) for variable in opened.system.net.trainable_variables))
    image, target = batch(task)
    fields = {"image": image, "mask" if task.dense else "label": target, "weight": np.ones(task.batch, np.float32), "index": np.arange(task.batch)}
    opened.pipeline.train = lambda start, context=None: tf.data.Dataset.from_tensors(fields).repeat()  # type: ignore[method-assign]
    return opened


def batch(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Normalised images `[B, S, S, 3]` and classes, `[B, S, S]` or `[B]`, as good as any for timing."""
    random = np.random.default_rng(0)
    image = random.normal(size=(task.batch, task.size_px, task.size_px, 3)).astype(np.float32)
    shape = image.shape[:3] if task.dense else image.shape[:1]
    return image, random.integers(0, task.classes, shape).astype(np.uint8 if task.dense else np.int32)


def ours(task: Task, precision: str) -> Callable[[int], None]:
    """Steps of kvision's own loop."""
    loop, done = Loop(session(task, precision)), [0]

    def run(steps: int) -> None:
        done[0] += steps
        loop.train(done[0])

    return run


def fit(task: Task, precision: str) -> Callable[[int], None]:
    """Steps of `keras.Model.fit` on the same graph, but for Keras' own layers where kvision has made its own."""
    opened = session(task, precision)
    net = opened.system.net

    def with_keras_layers(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, BatchNormalization):
            return keras.layers.BatchNormalization(momentum=layer.momentum, epsilon=layer.epsilon, name=layer.name, dtype=layer.dtype_policy)
        return KERAS.get(type(layer), type(layer)).from_config(layer.get_config())

    model = keras.models.clone_model(net, clone_function=with_keras_layers)
    assert model.count_params() == net.count_params()
    model.compile(_optimizer(opened.recipe.optim), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = tf.data.Dataset.from_tensors(batch(task)).repeat()
    return lambda steps: model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0)


def _optimizer(options: OptimOptions) -> keras.optimizers.Optimizer:
    """Keras' own optimizer of the recipe's settings."""
    decay = options.used("weight_decay")
    if options.name == "adamw":
        return keras.optimizers.AdamW(options.lr, weight_decay=decay)
    return keras.optimizers.SGD(options.lr, momentum=options.used("momentum"), nesterov=options.nesterov, weight_decay=decay)


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(int(os.environ.get("BENCHMARK_THREADS", 0)))
    chosen = TASKS[sys.argv[1]]
    makers = {"keras fit": fit, "kvision": ours}
    serve({f"{name} {precision}": make(chosen, precision) for name, make in makers.items() for precision in ("fp32", "bf16")})
