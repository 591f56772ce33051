from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from kvision.core.errors import RunError
from kvision.engine import evaluation
from kvision.engine.loop import Loop
from tests.unit.engine import tiny


@pytest.fixture(scope="module")
def session():
    return tiny.session()


@pytest.fixture(scope="module")
def found(session, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    return folder, evaluation.write(session, folder, shown=3)


def scores(session):
    """The score of each validation example, one by one."""
    examples = [session.pipeline.raw("val", number) for number in range(session.pipeline.num_val)]
    return np.array([float(session.system.eval_step(evaluation._single(session, example))[1][0]) for example in examples])


def test_metrics_are_those_of_the_training_loop(session, found):
    expected = session.system.metrics(Loop(session).evaluate())
    assert found[1].metrics == expected
    assert found[1].count == 10
    assert found[1].tables["confusion"].sum() == 10 * 16 * 16  # each example once, though the last batch is filled up


def test_the_worst_are_the_worst(session, found):
    each = scores(session)
    order = np.argsort(each, kind="stable")[:3]
    assert [number for _, number in found[1].worst] == order.tolist()
    np.testing.assert_allclose([score for score, _ in found[1].worst], each[order], atol=1e-6)


def test_files(session, found):
    folder, _ = found
    text = json.loads((folder / "evaluation.json").read_text(), parse_constant=pytest.fail)
    assert list(text) == ["metrics", "tables", "examples"]
    assert [example["kind"] for example in text["examples"]] == ["worst"] * 3 + ["random"] * 3
    assert np.shape(text["tables"]["confusion"]) == (3, 3)
    for example in text["examples"]:
        number = int(example["name"].removeprefix("fake/val/"))
        assert example["score"] == pytest.approx(scores(session)[number], abs=1e-6)
        with Image.open(folder / example["picture"]) as picture:
            assert min(picture.size) > 16
    assert len({example["name"] for example in text["examples"] if example["kind"] == "random"}) == 3


def test_two_replicas_find_the_same(session, found):
    from kvision.engine import state

    two = tiny.session(devices="cpu:2", training=False)
    state.write(two.weights(), state.read(session.weights()), "the first session")
    other = evaluation.evaluate(two, shown=3)
    np.testing.assert_array_equal(other.tables["confusion"], found[1].tables["confusion"])
    assert other.metrics == pytest.approx(dict(found[1].metrics), abs=1e-6)
    assert [number for _, number in other.worst] == [number for _, number in found[1].worst]


def test_progress_and_fewer_examples_than_are_shown(session):
    told = []
    result = evaluation.evaluate(session, shown=99, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert sorted(number for _, number in result.worst) == list(range(10))


def test_a_folder_that_can_not_be_written(session, tmp_path):
    (tmp_path / "pictures").write_text("in the way")
    with pytest.raises(RunError, match="the evaluation could not be written"):
        evaluation.write(session, tmp_path, shown=1)
