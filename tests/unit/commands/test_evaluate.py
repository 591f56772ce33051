from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from kvision.commands import evaluate, trained
from kvision.core.errors import DataError, KvisionError, RunError, UsageError
from kvision.data.text import learning
from tests.unit.commands import conftest
from tests.unit.data.captioned_pictures import beside


@pytest.fixture
def labelled(tmp_path):
    """Five pictures of 12x20 with masks of all eleven classes."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / "mine" / name).mkdir(parents=True)
    for number in range(5):
        Image.fromarray(rng.integers(0, 256, (12, 20, 3), np.uint8)).save(tmp_path / "mine" / "images" / f"{number}.png")
        mask = (np.arange(240).reshape(12, 20) + number) % 11
        Image.fromarray(mask.astype(np.uint8)).save(tmp_path / "mine" / "masks" / f"{number}.png")
    return tmp_path / "mine"


def facts(capsys):
    return json.loads(capsys.readouterr().out)


def test_validation_split(run, tmp_path, capsys):
    evaluate.run(run, out=tmp_path / "out", json_lines=True)
    found = facts(capsys)
    assert (found["count"], found["data"], found["kind"]) == (6, "val", "best")
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["metrics"] == found["metrics"]
    assert np.sum(written["tables"]["confusion"]) == 6 * 16 * 16
    with pytest.raises(RunError, match=r"--out .*: already holds an evaluation"):
        evaluate.run(run, out=tmp_path / "out")


def test_training_split_is_evaluated_once_each_and_as_it_is(run, tmp_path, capsys):
    evaluate.run(run, split="train", out=tmp_path / "out", json_lines=True)
    assert facts(capsys)["count"] == 8
    names = {example["name"] for example in json.loads((tmp_path / "out" / "evaluation.json").read_text())["examples"]}
    assert names == {f"scenes/train/{number}" for number in range(8)}


def test_the_tables_for_people_and_the_default_folder(run, capsys):
    evaluate.run(run)
    evaluate.run(run / "model.keras")
    out = capsys.readouterr().out
    assert "miou" in out
    assert "digit 7" in out
    assert (run / "eval" / "best-val" / "pictures" / "worst-1.png").exists()
    assert (run / "eval" / "model-val" / "evaluation.json").exists()


def test_a_folder_of_the_users_own_is_evaluated_whole(run, labelled, tmp_path, capsys):
    evaluate.run(run, data=str(labelled), out=tmp_path / "out", json_lines=True)
    assert facts(capsys)["count"] == 5
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert all(sum(row) > 0 for row in written["tables"]["confusion"])
    assert {example["name"] for example in written["examples"]} == {f"images/{number}.png" for number in range(5)}


def test_options_of_the_data(run, labelled, tmp_path, capsys):
    evaluate.run(run, overrides=["data.val_size=3"], out=tmp_path / "a", json_lines=True)
    assert facts(capsys)["count"] == 3
    with pytest.raises(DataError, match=r"has 3 classes .*, the run 11"):
        evaluate.run(run, data=str(labelled), overrides=["data.classes=3"], out=tmp_path / "b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"overrides": ["data.val_sise=3"]}, r'data\.val_sise: .*did you mean "val_size"'),
        ({"overrides": ["model.width=8"]}, r"model\.width=8: only options of the data"),
        ({"overrides": ["data.size_px=32"]}, r"data\.size_px=32: the model was trained with data\.size_px=16"),
        ({"data": "nowhere"}, r"nowhere"),
        ({"split": "test"}, r"scenes has no test split; use --split val"),
    ],
)
def test_mistakes(run, tmp_path, arguments, message):
    with pytest.raises(KvisionError, match=message) as caught:
        evaluate.run(run, out=tmp_path / "out", **arguments)
    assert isinstance(caught.value, UsageError | KvisionError)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_captions_is_evaluated_by_the_vocabulary_of_the_run(tmp_path, capsys, monkeypatch):
    run = conftest.make(tmp_path / "captioner", recipe="show_attend_tell", smoke=True)
    beside(tmp_path / "mine", range(4), 3)
    (tmp_path / "mine/00.txt").write_text("an okapi\nan okapi at noon")
    monkeypatch.setattr(learning, "learn", None)  # nothing is learnt from other captions, nor from those of the training again
    kept = trained.kept_texts(run)
    assert "okapi" not in kept.vocabulary.tokens
    decode = evaluate._resolve(trained.find(run), None, ["model.decode.beam=3", "data.val_size=4"]).recipe.model.decode
    assert decode.beam == 3
    with pytest.raises(UsageError, match=r"model\.units=9: only options of the data and of model\.decode can be set here"):
        evaluate._resolve(trained.find(run), None, ["model.units=9"])
    data = evaluate._resolve(trained.find(run), str(tmp_path / "mine"), ["data.references=3"]).recipe.data
    assert (data.source, data.path, data.references, data.size_px, data.batch) == ("caption_folder", str(tmp_path / "mine"), 3, 32, 4)
    evaluate.run(run, data=str(tmp_path / "mine"), out=tmp_path / "out", json_lines=True)
    found = facts(capsys)
    assert found["count"] == 4
    assert 0 < found["metrics"]["loss"] < 2 * np.log(kept.vocabulary.size)
