"""Decoding in the graph against Python loops that call the step model for each word. The aim is at least 10 times as fast.

    python benchmarks/decoding.py --rounds 5

An attention LSTM of 49 x 256 features (their projection, which stays the same, among the states), 512 units and 5,000 words says 20 words of each
image, as the step never says the end. Beside
`kvision.ops.decoding` in a `tf.function` run, by turns in one process: a loop over the words that calls `model(...)` for all images at once (greedy
only), and one over images, words and sentences, which is what a search in plain Python does (`kvision_edge`'s).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from kvision.ops import decoding
from kvision_edge.postprocess import decoding as plain

if TYPE_CHECKING:
    from collections.abc import Callable

GRID, DEPTH, UNITS, WORDS, VOCABULARY, LENGTH = 49, 256, 512, 256, 5000, 20
START, END = 1, 2
STATES = {"features": [GRID, DEPTH], "keys": [GRID, WORDS], "h": [UNITS], "c": [UNITS]}


def step_model() -> keras.Model:
    """One word of soft attention (Xu et al. 2015) over an LSTM cell."""
    keras.utils.set_random_seed(0)
    features, keys, h, c = (keras.Input(shape, name=name) for name, shape in STATES.items())
    token = keras.Input([], dtype="int32", name="token")
    seen = keys + keras.layers.Reshape([1, WORDS])(keras.layers.Dense(WORDS)(h))
    alpha = keras.layers.Softmax()(keras.layers.Reshape([GRID])(keras.layers.Dense(1)(keras.layers.Activation("tanh")(seen))))
    context = keras.layers.Dot(1)([alpha, features])
    word = keras.layers.Concatenate()([keras.layers.Embedding(VOCABULARY, WORDS)(token), context])
    output, (after, memory) = keras.layers.LSTMCell(UNITS)(word, [h, c])
    logits = keras.layers.Dense(VOCABULARY)(output) - 50 * keras.ops.one_hot([END], VOCABULARY)
    given = {"token": token, "features": features, "keys": keys, "h": h, "c": c}
    return keras.Model(given, {"logits": logits, "h": after, "c": memory, "alpha": alpha})


def states(images: int) -> dict[str, tf.Tensor]:
    """As an encoder would give them."""
    random = np.random.default_rng(0)
    return {name: tf.constant(random.normal(0, 1, [images, *shape]), tf.float32) for name, shape in STATES.items()}


def ways(model: keras.Model, images: int, beam: int) -> dict[str, Callable[[], np.ndarray]]:
    """What is timed, by name: each gives the tokens of the best sentences."""
    given, rules = states(images), decoding.Rules(START, END, LENGTH, beam=beam)

    def step(token: tf.Tensor, known: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        found = dict(model({"token": token, **known}, training=False))
        return found.pop("logits"), found

    def together() -> np.ndarray:
        known, said = dict(given), [tf.fill([images], START)]
        for place in range(LENGTH + 1):
            logits, found = step(said[-1], known)
            known |= {name: found[name] for name in ("h", "c")}
            values = logits.numpy()
            values[:, [decoding.PAD, START]] = -np.inf
            said.append(tf.constant(values.argmax(1) if place < LENGTH else np.full(images, END), tf.int32))
        return np.stack(said[1:], 1)

    def one_by_one() -> np.ndarray:
        def alone(token: int, known: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
            logits, found = step(tf.constant([token]), known)
            return logits.numpy()[0], found

        images_states = ({name: value[n : n + 1] for name, value in given.items()} for n in range(images))
        return np.array([plain.search(alone, each, plain.Rules(START, END, LENGTH, beam=beam))[0].tokens for each in images_states])

    graph, compiled = (tf.function(lambda known: decoding.search(step, known, rules).tokens[:, 0], jit_compile=jit) for jit in (False, True))
    found = {"graph": lambda: graph(given).numpy(), "graph, XLA": lambda: compiled(given).numpy(), "loop over images": one_by_one}
    return found | ({"loop over words": together} if beam == 1 else {})


def main() -> None:
    """Times all by turns, prints and writes the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    options = parser.parse_args()
    model, told = step_model(), []
    for images, beam in ((images, beam) for images in options.images for beam in options.beams):
        able, seconds = ways(model, images, beam), {}
        tokens = {name: way() for name, way in able.items()}  # which warms them up
        agreement = {name: float(np.mean(found == tokens["graph"])) for name, found in tokens.items()}
        for _ in range(options.rounds):
            for name, way in able.items():
                started = time.perf_counter()
                way()
                seconds.setdefault(name, []).append(time.perf_counter() - started)
        ratios = {name: statistics.median(a / b for a, b in zip(taken, seconds["graph"], strict=True)) for name, taken in seconds.items()}
        told.append({"images": images, "beam": beam, "seconds": seconds, "ratio_to_graph": ratios, "tokens_as_graph": agreement})
        for name, taken in seconds.items():
            print(f"{images:3} images, beam {beam}: {name:18} {1e3 * statistics.median(taken):9.1f} ms, {ratios[name]:6.2f} of the graph's time")
    if options.out:
        options.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
