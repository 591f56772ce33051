from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from kvision.commands import trained
from kvision.core.errors import DataError, RunError, UsageError
from kvision.data.sources.scenes import Scenes
from kvision.data.text.learning import learn


def test_what_a_path_means(run):
    step = run / "checkpoints" / "step-00000002"
    assert trained.find(run) == trained.Trained(run, run, "best")
    assert trained.find(run / "checkpoints", "ema") == trained.Trained(run, run, "ema")
    assert trained.find(step, "last") == trained.Trained(run, step, "last")
    assert trained.find(run / "model.keras") == trained.Trained(run, run / "model.keras", "best")
    assert trained.find(run / "weights" / "last.weights.h5").run == run
    names = [trained.find(path).name for path in (run, step, run / "model.keras", run / "weights" / "last.weights.h5")]
    assert names == ["best", "step-00000002", "model", "last"]


@pytest.mark.parametrize("origin", ["", "checkpoints/step-00000002", "model.keras", "weights/best.weights.h5"])
def test_every_way_gives_the_same_weights(run, origin):
    opened = trained.open_session(trained.find(run / origin), narrow=trained.recorded(run))
    first = opened.system.net.get_weights()[0]
    reference = trained.open_session(trained.find(run), narrow=trained.recorded(run)).system.net.get_weights()[0]
    np.testing.assert_array_equal(first, reference)
    assert opened.training is None


def test_mistakes(run, tmp_path):
    with pytest.raises(UsageError, match=r'--weights bset: accepted are best, last, ema; did you mean "best"\?'):
        trained.find(run, "bset")
    with pytest.raises(RunError, match=r"no such run; runs that exist: .*tiny; did you mean \".*tiny\"\?"):
        trained.find(run.with_name("tini"))
    with pytest.raises(RunError, match="is not a run folder"):
        trained.find(tmp_path)
    shutil.copy(run / "model.keras", tmp_path / "model.keras")
    with pytest.raises(RunError, match=r"model\.keras: weights alone do not tell classes"):
        trained.find(tmp_path / "model.keras")


def test_a_run_without_checkpoint_and_a_damaged_file(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy", ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(RunError, match="has no checkpoint"):
        trained.open_session(trained.find(copy), narrow=trained.recorded(copy))
    (copy / "model.keras").write_bytes(b"no zip")
    with pytest.raises(RunError, match=r"model\.keras: these weights can't be loaded"):
        trained.open_session(trained.find(copy / "model.keras"), narrow=trained.recorded(copy))


def test_a_run_that_was_trained_with_texts_keeps_their_vocabulary_for_all_data(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    assert trained.kept_texts(copy) is None
    vocabulary = learn(["a red star"], "word")
    vocabulary.save(copy)
    data = json.loads((copy / "data.json").read_text())
    (copy / "data.json").write_text(json.dumps(data | {"texts": {"length": 4, "nouns": ["star"]}}))
    texts = trained.recorded(copy)(Scenes)(Scenes.Options(references=2), seed=0, base=tmp_path).info.texts
    assert (texts.vocabulary.tokens, texts.length, texts.nouns, texts.training) == (vocabulary.tokens, 4, ("star",), ())
    opened = trained.open_session(trained.find(copy))
    assert opened.pipeline.info.texts.vocabulary.tokens == vocabulary.tokens
    assert opened.pipeline.info.texts.rows([["a red ship"]], 1).tolist() == [[[1, 4, 5, 3, 2, 0]]]
    assert len(opened.pipeline.info.texts.nouns) == 10, "what is there to be spoken of, the data says itself"
    (copy / "vocabulary.json").unlink()
    with pytest.raises(DataError, match=r"vocabulary.json: can't be read: no such file or directory; it belongs to every run on texts"):
        trained.open_session(trained.find(copy))
