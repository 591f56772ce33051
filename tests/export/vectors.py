"""Systems without pictures at their networks' inputs, opened for export: an agent that sees vectors, and a generator that is fed with noise."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from kvision.data.preprocess import Preprocess
from kvision.data.source import DataInfo
from kvision.engine.session import Session
from kvision.engine.system import Monitor, System
from kvision_export.subject import Subject

ACTIONS = ("left", "stay", "right")
SIDE = 8


class Examples:
    """Stands in for a pipeline: both splits in memory, whatever their fields are."""

    preprocess = Preprocess(SIDE, "resize", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))

    def __init__(self, info: DataInfo, splits: dict[str, dict[str, np.ndarray]]) -> None:
        self.info, self.texts, self._splits = info, info.texts, splits
        self.num_train, self.num_val = (len(next(iter(splits[name].values()))) for name in ("train", "val"))
        self.val_steps = 1

    def raw(self, split: str, index: int) -> dict[str, np.ndarray]:
        return {name: values[index] for name, values in self._splits[split].items()}

    def name(self, split: str, index: int) -> str:
        return f"{split}/{index}"

    def normalised(self, example: dict[str, Any]) -> dict[str, Any]:
        return {name: self.preprocess.normalise(value).numpy() if name == "image" else value for name, value in example.items()}

    def val(self, context: object = None) -> tf.data.Dataset:
        batch = self.normalised(self._splits["val"])
        return tf.data.Dataset.from_tensors(batch | {"index": np.arange(self.num_val), "weight": np.ones(self.num_val, np.float32)})


class Agent(System):
    """A policy on observations `[B, 6]`, judged by how often it acts as it was taught, and by how an episode of five steps ends."""

    fields = frozenset({"observation", "action"})
    monitor = Monitor("accuracy", "max")
    given = "observation"
    task, decision, device_format = "policy", "action", "tflite-dynamic"

    def build(self) -> dict[str, keras.Model]:
        keras.utils.set_random_seed(4)
        observation = keras.Input([6], name="observation")
        hidden = keras.layers.Dense(64, "relu")(observation)
        return {"policy": keras.Model(observation, {"logits": keras.layers.Dense(3)(hidden), "value": keras.layers.Dense(1)(hidden)})}

    def predict_step(self, observation: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"action": tf.argmax(self.net(observation, training=False)["logits"], -1, tf.int32)}

    def eval_step(self, batch: Any) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        right = tf.cast(self.predict_step(batch["observation"])["action"] == batch["action"], tf.float32) * batch["weight"]
        ended = tf.reduce_sum(self._episode(batch["observation"]) * batch["weight"])
        return {"right": tf.reduce_sum(right), "return": ended, "count": tf.reduce_sum(batch["weight"])}, {"worst": right}

    def _episode(self, observation: tf.Tensor) -> tf.Tensor:
        """The return `[B]`: actions push the first coordinate, which is to stay small."""

        def step(time: tf.Tensor, state: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, ...]:
            push = tf.cast(self.predict_step(state)["action"] - 1, tf.float32)[:, None]
            state = tf.concat([0.9 * state[:, :1] + 0.1 * push, state[:, 1:]], 1)
            return time + 1, state, total - tf.abs(state[:, 0])

        return tf.while_loop(lambda time, *_: time < 5, step, (0, observation, tf.zeros_like(observation[:, 0])))[-1]

    def metrics(self, sums: Any) -> dict[str, float]:
        found = {name: float(sums[name] / sums["count"]) for name in ("right", "return")}
        return {"loss": 1 - found["right"], "accuracy": found["right"], "return": found["return"]}

    def decoding(self) -> dict[str, Any]:
        return {"policy": "categorical", "output": "logits", "sample": False, "seed": 0}

    def picture(self, image: np.ndarray, output: Any, truth: Any) -> Image.Image:
        assert image.shape == (6,)
        assert set(truth) == {"action"}
        return Image.new("RGB", (6, 1), (int(output["action"]), 0, 0))

    def train_step(self, batch: Any, updates: Any) -> dict[str, tf.Tensor]:
        raise AssertionError("not trained here")


class Generator(System):
    """Pictures from noise, which it draws itself: like a GAN's, its examples are pictures and its network takes none."""

    fields = frozenset({"image"})
    monitor = Monitor("distance", "min")
    task = "generative"

    def build(self) -> dict[str, keras.Model]:
        keras.utils.set_random_seed(5)
        noise = keras.Input([16], name="noise")
        x = keras.layers.Reshape([4, 4, 8])(keras.layers.Dense(128, "relu")(noise))
        return {"generator": keras.Model(noise, keras.layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh", name="picture")(x))}

    def predict_step(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        # Drawn from the picture, so that every evaluation sees the same.
        return {"generated": self.net(tf.reshape(image, [tf.shape(image)[0], -1])[:, :16], training=False)}

    def eval_step(self, batch: Any) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        distance = tf.reduce_mean(tf.abs(self.predict_step(batch["image"])["generated"] - batch["image"]), [1, 2, 3])
        return {"distance": tf.reduce_sum(distance), "count": tf.reduce_sum(batch["weight"])}, {"worst": -distance}

    def metrics(self, sums: Any) -> dict[str, float]:
        return dict.fromkeys(("loss", "distance"), float(sums["distance"] / sums["count"]))

    def picture(self, image: np.ndarray, output: Any, truth: Any) -> Image.Image:
        return Image.fromarray(((output["generated"] + 1) * 127).astype(np.uint8))

    def train_step(self, batch: Any, updates: Any) -> dict[str, tf.Tensor]:
        raise AssertionError("not trained here")


def agent(folder: Path) -> Subject:
    """An agent that was taught what it does where it is sure of it."""
    info = DataInfo(ACTIONS, (), Agent.fields)
    system = _built(Agent, info)
    observations = np.random.default_rng(0).standard_normal((4000, 6)).astype(np.float32)
    logits = system.net(observations, training=False)["logits"].numpy()
    margin = np.diff(np.sort(logits, axis=1)[:, 1:], axis=1)[:, 0]
    sure = np.flatnonzero(margin > 0.1 * np.ptp(logits))[:300]
    examples = {"observation": observations[sure], "action": np.argmax(logits[sure], axis=1).astype(np.int32)}
    return _subject(system, Examples(info, _split(examples, 200)), folder, "agent")


def generator(folder: Path) -> Subject:
    """A generator that was not trained."""
    info = DataInfo((), (), Generator.fields)
    images = np.random.default_rng(0).integers(0, 256, (20, SIDE, SIDE, 3), np.uint8)
    return _subject(_built(Generator, info), Examples(info, _split({"image": images}, 12)), folder, "gan")


def _built(kind: type[System], info: DataInfo) -> System:
    recipe: Any = SimpleNamespace(system=f"{kind.task}/{kind.__name__.lower()}", train=SimpleNamespace(seed=0))
    system = kind(recipe, info)
    system.networks = system.build()
    return system


def _split(examples: dict[str, np.ndarray], train: int) -> dict[str, dict[str, np.ndarray]]:
    return {
        "train": {name: values[:train] for name, values in examples.items()},
        "val": {name: values[train:] for name, values in examples.items()},
    }


def _subject(system: System, pipeline: Any, folder: Path, name: str) -> Subject:
    run = folder / name
    run.mkdir()
    (run / "environment.json").write_text(json.dumps({"precision": "fp32"}))
    resolved: Any = SimpleNamespace(path=Path(f"recipes/{name}.yaml"))
    session = Session(system.recipe, resolved, tf.distribute.get_strategy(), "fp32", False, pipeline, system, None)
    return Subject(session, run, run, "best", name)
