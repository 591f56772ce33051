"""Small captioners on a vocabulary of a few words, and a batch for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from kvision import catalog
from kvision.core.schema import Recipe
from kvision.data.source import DataInfo
from kvision.data.text.texts import Kept, TextOptions, Texts
from kvision.data.text.vocabulary import Words
from kvision.systems.captioning._part import Captioner, CaptionLoss

WORDS = ("a", "red", "blue", "circle", "star", "above", "square")
LENGTH, SIZE_PX, REFERENCES = 5, 16, 2
SMALL: dict[str, dict[str, Any]] = {
    "show_attend_tell": {"units": 6, "attention_units": 5},
    "show_tell": {"units": 6},
    "rnn_captioner": {"units": 6},
    "transformer_captioner": {"num_heads": 2, "num_layers": 2},
}
"""The systems, and what makes them small."""
OPTIONS = TextOptions(source="scenes", size_px=SIZE_PX, batch=4, references=REFERENCES)
SENTENCES = [["a red circle", "a circle"], ["a blue star above a", "a star"], ["a red square", "a square"], ["a blue circle", "a circle above"]]


def info(fields: frozenset[str] = frozenset({"image", "captions", "tokens"}), training: list[list[str]] | None = None) -> DataInfo:
    texts = Texts(tuple, OPTIONS, ("circle", "star", "square"), Kept(Words(WORDS), LENGTH))
    if training is not None:
        texts = Texts(lambda: training, OPTIONS.model_copy(update={"max_length": LENGTH}))
        texts.__dict__["vocabulary"] = Words(WORDS)
    return DataInfo(("nothing",), ((0, 0, 0),), fields, texts)


def recipe(name: str = "show_attend_tell", loss: dict[str, Any] | None = None, **model: Any) -> Recipe:
    kind = catalog.system(f"captioning/{name}")
    given = {"encoder": {"filters": (4, 6)}, "embedding": 8, **SMALL[name], **model}
    return Recipe(
        system=f"captioning/{name}",
        model=kind.Options.model_validate(given),
        loss=CaptionLoss(**(loss or {})),
        data=OPTIONS,
    )


def captioner(name: str = "show_attend_tell", loss: dict[str, Any] | None = None, given: DataInfo | None = None, **model: Any) -> Captioner:
    """Built, with scattered weights, so that nothing is 0 by chance."""
    from tests.conformance import subject

    system = catalog.system(f"captioning/{name}")(recipe(name, loss, **model), given or info())
    system.networks = system.build()
    for number, net in enumerate(system.networks.values()):
        subject.fill(net, shift=number)
    return system  # type: ignore[return-value]


def batch(count: int = 4, seed: int = 0) -> dict[str, tf.Tensor]:
    random, texts = np.random.default_rng(seed), info().texts
    assert texts is not None
    sentences = SENTENCES[:count]
    return {
        "image": tf.constant(random.normal(size=(count, SIZE_PX, SIZE_PX, 3)), tf.float32),
        "tokens": tf.constant(texts.rows(sentences, REFERENCES)),
        "captions": tf.constant(sentences),
        "index": tf.range(count, dtype=tf.int64),
        "weight": tf.ones(count),
    }
