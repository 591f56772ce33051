from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tensorflow as tf
from PIL import Image

from kvision.core.errors import RunError
from kvision.engine import evaluation
from kvision.engine.loop import Loop
from tests.fakes import FakeSource
from tests.unit.engine import tiny


class Judged(tiny.Tiny):
    """Says three things of each example, and shows those whose number is odd."""

    def eval_step(self, batch):
        sums, scores = super().eval_step(batch)
        return sums, {**scores, "least_sure": -tf.cast(batch["index"], tf.float32), "label": tf.cast(batch["index"] % 2, tf.int32)}

    def judge(self, answers):
        assert list(answers["label"]) == [0, 1] * 5  # in the order of the examples' numbers
        return {"first": float(answers["worst"][0])}, answers

    def examples(self, scores):
        return {"odd": np.flatnonzero(scores["label"]), "least_sure": np.argsort(scores["least_sure"])[:2]}


@pytest.fixture(scope="module")
def session():
    return tiny.session()


@pytest.fixture(scope="module")
def found(session, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    return folder, evaluation.write(session, folder)


def read(folder):
    return json.loads((folder / "evaluation.json").read_text(), parse_constant=pytest.fail)


def test_metrics_are_those_of_the_training_loop(session, found):
    expected = Loop(session).evaluate()
    assert found[1].metrics == expected
    assert found[1].count == 10
    assert found[1].tables["confusion"].sum() == 10 * 16 * 16  # each example once, though the last batch is filled up


def test_each_example_has_its_own_score(session, found):
    assert list(found[1].scores) == ["worst"]
    for number, score in enumerate(found[1].scores["worst"]):
        raw = session.pipeline.raw("val", number)
        batch = {name: tf.convert_to_tensor(value)[None] for name, value in raw.items()}
        batch |= {"image": session.pipeline.preprocess.normalise(batch["image"]), "weight": tf.ones([1])}
        assert score == pytest.approx(session.system.eval_step(batch)[1]["worst"][0].numpy(), abs=1e-6)


def test_files(found):
    folder, result = found
    text = read(folder)
    assert list(text) == ["metrics", "tables", "examples"]
    assert [example["kind"] for example in text["examples"]] == ["worst"] * 8 + ["random"] * 8
    assert np.shape(text["tables"]["confusion"]) == (3, 3)
    for example in text["examples"]:
        number = int(example["name"].removeprefix("fake/val/"))
        assert set(example) == {"name", "picture", "score", "kind"}
        assert example["score"] == pytest.approx(result.scores["worst"][number])
        with Image.open(folder / example["picture"]) as picture:
            assert min(picture.size) > 16
    assert [example["score"] for example in text["examples"][:8]] == pytest.approx(np.sort(result.scores["worst"])[:8])
    assert len({example["name"] for example in text["examples"] if example["kind"] == "random"}) == 8


def test_a_system_that_says_more_chooses_its_examples(tmp_path):
    result = evaluation.write(tiny.session(system=Judged, training=False), tmp_path)
    assert list(result.scores) == ["worst", "least_sure", "label"]
    examples = [example for example in read(tmp_path)["examples"] if example["kind"] != "random"]
    assert [(example["kind"], example["name"]) for example in examples] == [
        *(("odd", f"fake/val/{number}") for number in (1, 3, 5, 7, 9)),
        *(("least_sure", f"fake/val/{number}") for number in (9, 8)),
    ]
    assert examples[0] == {
        "name": "fake/val/1",
        "picture": "pictures/odd-1.png",
        "kind": "odd",
        "score": pytest.approx(result.scores["worst"][1]),
        "least_sure": -1.0,
        "label": 1,
    }
    assert (examples[-1]["score"], examples[-1]["label"]) == (-8.0, 0)
    assert (tmp_path / "pictures" / "odd-1.png").read_bytes() != (tmp_path / "pictures" / "odd-2.png").read_bytes()


def test_two_replicas_find_the_same(session, found):
    from kvision.engine import state

    two = tiny.session(system=Judged, devices="cpu:2", training=False)
    state.write(two.weights(), state.read(session.weights()), "the first session")
    other = evaluation.evaluate(two)
    np.testing.assert_array_equal(other.tables["confusion"], found[1].tables["confusion"])
    assert other.metrics == pytest.approx({**found[1].metrics, "first": found[1].scores["worst"][0]}, abs=1e-6)
    np.testing.assert_allclose(other.scores["worst"], found[1].scores["worst"], atol=1e-6)
    assert other.scores["least_sure"].tolist() == [-number for number in range(10)]


def test_progress(session):
    told = []
    evaluation.evaluate(session, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_folder_that_can_not_be_written(session, tmp_path):
    (tmp_path / "pictures").write_text("in the way")
    with pytest.raises(RunError, match="the evaluation could not be written"):
        evaluation.write(session, tmp_path)


class Many(FakeSource):
    """Examples whose logits take 45 MiB."""

    def __init__(self, options: Any = None, *, seed: int = 0, base: Path = Path()) -> None:
        super().__init__(options, seed=seed, base=base, num=(8, 240), shape=(128, 128))


def test_memory_does_not_grow_with_the_examples() -> None:
    session = tiny.session(source=Many, data={"size_px": 128, "batch": 8, "cache": "ram"}, training=False)
    held, kept = [], 0
    for part in evaluation.Evaluator(session).run({}):
        held.append(psutil.Process().memory_info().rss)
        kept += sum(values.nbytes for values in part.values())
    assert len(held) == 30
    assert max(held[5:]) - max(held[:5]) < 16 * 2**20  # of the 37 MiB that the logits of the last 25 batches would take
    assert kept <= 240 * 16  # what is kept of an example: its number, and how well it is solved
