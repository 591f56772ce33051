"""Sequence to sequence on a device: the search over two functions that take no picture."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from kvision_edge import manifest, vocabulary
from kvision_edge.errors import BundleError
from kvision_edge.postprocess import choose
from tests.edge import tiny

if TYPE_CHECKING:
    from pathlib import Path

RULES = {"start": 1, "end": 2, "max_length": 4}
TEXT = manifest.Signature({"source": manifest.Tensor((1, 5), "int32")}, {"left": manifest.Tensor((1, 5), "float32")})
STEP = manifest.Signature(
    {"token": manifest.Tensor((1,), "int32"), "left": manifest.Tensor((1, 5), "float32")},
    {"logits": manifest.Tensor((1, 9), "float32"), "left": manifest.Tensor((1, 5), "float32")},
)


def call(name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A copying machine: what was read is said piece by piece, then the end."""
    if name == "encode":
        return {"left": inputs["source"].astype(np.float32)}
    left = inputs["left"]
    said = int(left[0, 0]) or 2
    return {"logits": np.where(np.arange(9) == said, 5.0, 0.0)[None].astype(np.float32), "left": np.roll(left, -1, axis=1)}


@pytest.mark.parametrize("source", [[5, 6, 4, 0, 0], [5, 6, 4]], ids=["padded", "to be padded"])
def test_what_is_written_is_what_the_steps_say(tmp_path: Path, source: list[int]) -> None:
    described = tiny.described("sequence", RULES)
    decoder = choose(described, {"encode": TEXT, "step": STEP})
    (tmp_path / vocabulary.NAME).write_text(json.dumps({"schema": 1, "kind": "word", "lower": True, "tokens": tiny.VOCABULARY}))
    bundle: Any = SimpleNamespace(content=lambda *_: None, manifest=described, folder=tmp_path)
    decoder.load(bundle)
    answer = decoder.answer(decoder.infer(call, {"source": np.array([source], np.int32)}), None)
    assert answer.tokens == ((5, 6, 4, 2),)
    assert answer.to_json()["task"] == "sequence"
    assert answer.to_json()["text"] == answer.text() == "red dog a"


def test_a_language_model_s_step_alone_is_refused() -> None:
    with pytest.raises(BundleError, match="m has the function step alone, a language model's; call it by an interpreter, token by token"):
        choose(tiny.described("sequence", RULES), {"step": STEP})
