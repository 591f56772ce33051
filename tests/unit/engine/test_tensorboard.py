"""TensorBoard shows the examples of the last evaluation, and says what was said of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kvision.engine import tensorboard


def test_pictures_and_words_by_kind_at_the_step_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    examples = []
    for number, kind in enumerate(("worst", "worst", "random")):
        file = f"pictures/{number}.png"
        Image.fromarray(np.full((4, 6, 3), 50 * number, np.uint8)).save(tmp_path / file)
        examples.append({"name": f"scene {number}", "picture": file, "kind": kind} | ({"words": "a red dot"} if kind == "worst" else {}))
    (tmp_path / "evaluation.json").write_text(json.dumps({"examples": examples}))
    (tmp_path / "summary.json").write_text(json.dumps({"steps": 40}))
    tensorboard.write(tmp_path)
    found = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"tensors": 0})
    found.Reload()
    assert sorted(found.Tags()["tensors"]) == ["random/1", "worst", "worst/1", "worst/2"]
    (picture,), (words,) = found.Tensors("worst/2"), found.Tensors("worst")
    assert picture.step == words.step == 40
    assert picture.tensor_proto.string_val[:2] == [b"6", b"4"]  # width and height
    assert words.tensor_proto.string_val[0].decode() == "- scene 0: a red dot\n- scene 1: a red dot"
