"""A captioner taught in seconds: what is red, green or blue, and in which corner; opened for export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from kvision.data.source import DataInfo
from kvision.data.text.texts import Kept, TextOptions, Texts
from kvision.data.text.vocabulary import END, START, UNKNOWN, Words
from kvision.engine.system import Monitor, System
from kvision.ops import decoding
from tests.export import vectors

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_export.subject import Subject

SIDE, UNITS, WORDS, LENGTH = 16, 24, 8, 7
COLOURS, ROWS, COLUMNS = ("red", "green", "blue"), ("top", "bottom"), ("left", "right")
VOCABULARY = Words(["a", "square", "at", "the", *COLOURS, *ROWS, *COLUMNS])


class Captioner(System):
    """LSTM with soft attention over a grid of 4 x 4 places; judged by how many captions are right."""

    fields = frozenset({"image", "tokens"})
    monitor = Monitor("right", "max")
    task, decision, device_format = "captioning", "tokens", "tflite-dynamic"
    rules = decoding.Rules(START, END, LENGTH, beam=2, length_alpha=0.7, forbidden=(UNKNOWN,))

    def build(self) -> dict[str, keras.Model]:
        keras.utils.set_random_seed(4)
        image = keras.Input([SIDE, SIDE, 3], name="image")
        grid = keras.layers.Conv2D(WORDS, 4, 4, activation="tanh")(image)
        features = keras.layers.Reshape([16, WORDS])(grid)
        whole = keras.layers.Flatten()(features)
        first = {name: keras.layers.Dense(UNITS, "tanh", name=name)(whole) for name in ("h", "c")}
        encode = keras.Model(image, {"features": features, **first})

        token = keras.Input([], dtype="int32", name="token")
        given = {name: keras.Input(value.shape[1:], name=name) for name, value in encode.output.items()}
        hidden = keras.layers.Dense(WORDS)(given["h"])
        places = keras.layers.Dense(1)(keras.layers.Activation("tanh")(given["features"] + keras.layers.Reshape([1, WORDS])(hidden)))
        alpha = keras.layers.Softmax(name="alpha")(keras.layers.Reshape([16])(places))
        context = keras.layers.Dot(1)([alpha, given["features"]])
        word = keras.layers.Embedding(VOCABULARY.size, WORDS)(token)
        output, (h, c) = keras.layers.LSTMCell(UNITS)(keras.layers.Concatenate()([word, context]), [given["h"], given["c"]])
        logits = keras.layers.Dense(VOCABULARY.size)(output)
        step = keras.Model({"token": token, **given}, {"logits": logits, "h": h, "c": c, "alpha": alpha})
        return {"encode": encode, "step": step}

    def signatures(self) -> dict[str, str]:
        return {"encode": "encode", "step": "step"}

    def decoding(self) -> dict[str, Any]:
        from dataclasses import asdict

        return {"step": "step", "token": "token", "output": "logits", **asdict(self.rules)}

    def step(self, token: tf.Tensor, states: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        found = dict(self.networks["step"]({"token": token, **states}, training=False))
        return found.pop("logits"), found

    def predict_step(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        found = decoding.search(self.step, self.net(image, training=False), self.rules)
        return {"tokens": found.tokens[:, 0], "log_probability": found.log_probability[:, 0], "alpha": found.extras["alpha"][:, 0]}

    def eval_step(self, batch: Any) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        return {"count": tf.reduce_sum(batch["weight"])}, {"tokens": self.predict_step(batch["image"])["tokens"], "truth": batch["tokens"][:, 1:]}

    def judge(self, answers: Any) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        right = np.all(answers["tokens"] == answers["truth"], axis=1).astype(np.float32)
        return {"right": float(right.mean())}, {"worst": right}

    def metrics(self, sums: Any) -> dict[str, float]:
        return {"loss": float(sums["count"])}

    def answer(self, output: Any, preprocess: Any, height: tf.Tensor, width: tf.Tensor) -> dict[str, tf.Tensor]:
        tokens = output["tokens"]
        words = tf.gather(tf.constant(VOCABULARY.tokens), tf.boolean_mask(tokens, tokens > END))
        return {"caption": tf.strings.reduce_join(words, separator=" "), "log_probability": output["log_probability"]}

    def picture(self, image: np.ndarray, output: Any, truth: Any) -> Image.Image:
        assert VOCABULARY.decode(output["tokens"])
        return Image.fromarray(image)

    def train_step(self, batch: Any, updates: Any) -> dict[str, tf.Tensor]:
        raise AssertionError("not trained here")


def examples(count: int) -> dict[str, np.ndarray]:
    """Noisy pictures with a square in a corner, and what they show."""
    random = np.random.default_rng(0)
    images, sentences = random.integers(0, 90, (count, SIDE, SIDE, 3), np.uint8), []
    for image in images:
        colour, row, column = (int(random.integers(most)) for most in (3, 2, 2))
        top, left = (int(each) * 8 + int(random.integers(3)) for each in (row, column))
        image[top : top + 5, left : left + 5, colour] += 150
        sentences.append(f"a {COLOURS[colour]} square at the {ROWS[row]} {COLUMNS[column]}")
    return {"image": images, "tokens": VOCABULARY.rows(sentences, LENGTH)}


def captioner(folder: Path) -> Subject:
    """A captioner that has learnt its 12 sentences."""
    info = DataInfo((), (), Captioner.fields, texts=Texts(tuple, TextOptions(source="scenes"), kept=Kept(VOCABULARY, LENGTH)))
    system = vectors._built(Captioner, info)
    found = examples(300)
    pipeline = vectors.Examples(info, vectors._split(found, 240))
    pipeline.preprocess = type(pipeline.preprocess)(SIDE, "resize", (0.2, 0.2, 0.2), (0.25, 0.25, 0.25))
    _teach(system, pipeline.preprocess.normalise(found["image"][:240]), found["tokens"][:240])
    return vectors._subject(system, pipeline, folder, "captioner")


def _teach(system: Any, images: tf.Tensor, tokens: np.ndarray) -> None:
    """A few seconds of teacher forcing."""
    optimizer = keras.optimizers.Adam(0.02)
    weights = [each for net in system.networks.values() for each in net.trainable_variables]
    optimizer.build(weights)

    @tf.function
    def step(images: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            states, losses = dict(system.net(images)), []
            for place in range(LENGTH + 1):
                logits, found = system.step(tokens[:, place], states)
                states |= {name: found[name] for name in ("h", "c")}
                losses.append(tf.nn.sparse_softmax_cross_entropy_with_logits(tokens[:, place + 1], logits))
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    for number in range(150):
        rows = np.random.default_rng(number).permutation(len(tokens))[:40]
        step(tf.gather(images, rows), tf.constant(tokens[rows]))
