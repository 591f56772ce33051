"""The pipeline on pictures with sentences: which are shown, how long batches are, and what is refused."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.pipeline import Pipeline
from kvision.data.sources.caption_folder import CaptionFolder
from kvision.data.sources.scenes import Options, Scenes
from tests.unit.data.captioned_pictures import beside

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.data.source import Source

FIELDS = frozenset({"captions", "tokens"})


def of(source: Source, fields: frozenset[str] = FIELDS, seed: int = 1) -> Pipeline:
    return Pipeline(source, source.options, fields, seed)


@functools.cache
def scenes(**options: Any) -> Pipeline:
    drawn = {"objects": "shapes", "size_px": 32, "max_objects": 3, "min_objects": 1, "clutter": 0, "train_size": 44, "val_size": 6, "batch": 8}
    return of(Scenes(Options(**drawn | options), seed=0, base=None))  # type: ignore[arg-type]


def steps(dataset: tf.data.Dataset, count: int) -> list[dict[str, np.ndarray]]:
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def test_every_step_has_so_many_references_and_validation_has_all() -> None:
    pipeline = scenes(references=2)
    texts = pipeline.info.texts
    spec = pipeline.train(0).element_spec
    assert spec["tokens"].shape == (8, 2, texts.length + 2)
    assert spec["captions"].shape == (8, 2)
    assert pipeline.val().element_spec["captions"].shape == (8, 5)
    seen: dict[int, set[bytes]] = {}
    for batch in steps(pipeline.train(0), 30):
        for index, captions, tokens in zip(batch["index"], batch["captions"], batch["tokens"], strict=True):
            seen.setdefault(int(index), set()).update(captions)
            np.testing.assert_array_equal(texts.rows([[each.decode() for each in captions]], 2)[0], tokens)
    assert {len(each) for each in seen.values()} <= {3, 4, 5}
    assert sum(len(each) for each in seen.values()) > 4.5 * len(seen)


def test_a_picture_alone_shows_what_its_batch_shows(tmp_path: Path) -> None:
    beside(tmp_path, count=5)
    common = {"path": str(tmp_path), "size_px": 32, "batch": 4, "val_size": 2, "references": 2}
    plain, moved = (
        of(CaptionFolder(CaptionFolder.Options(**common, augment=augment), seed=0, base=tmp_path)) for augment in ({}, {"translate": 1.0})
    )
    for left, right in zip(steps(plain.train(0), 4), steps(moved.train(0), 4), strict=True):  # whole batches at once, and one by one
        np.testing.assert_array_equal(left["index"], right["index"])
        np.testing.assert_array_equal(left["tokens"], right["tokens"])
    shown = steps(plain.train(plain.steps_per_epoch), 1)[0]
    np.testing.assert_array_equal(plain.sample(int(shown["index"][0]), 1)["captions"], shown["captions"][0])


def test_buckets_trim_batches_the_same_from_any_step_and_on_any_replica() -> None:
    pipeline = scenes(buckets=4)
    length = pipeline.info.texts.length
    assert pipeline.train(0).element_spec["tokens"].shape.as_list() == [8, 5, None]
    whole = steps(pipeline.train(0), 10)
    widths = [batch["tokens"].shape[-1] for batch in whole[:5]]
    assert len(set(widths)) > 1
    assert max(widths) <= length + 2
    for batch in whole:
        texts = pipeline.info.texts.rows([[each.decode() for each in row] for row in batch["captions"]], 5)
        np.testing.assert_array_equal(texts[..., : batch["tokens"].shape[-1]], batch["tokens"])
        assert not texts[..., batch["tokens"].shape[-1] :].any()
    assert all(len(set(np.concatenate([batch["index"] for batch in whole[first : first + 5]]))) == 40 for first in (0, 5))
    for left, right in zip(whole[7:], steps(pipeline.train(7), 3), strict=True):
        np.testing.assert_array_equal(left["tokens"], right["tokens"])
    parts = steps(pipeline.train(2, tf.distribute.InputContext(1, 0, 2)), 6)
    for step, batch in enumerate(whole[2:5]):
        np.testing.assert_array_equal(np.concatenate([parts[2 * step]["tokens"], parts[2 * step + 1]["tokens"]]), batch["tokens"])
    np.testing.assert_array_equal(pipeline.indices(3), whole[3]["index"])
    plain = steps(scenes().train(0), 5)
    assert _padding(whole[:5]) < 0.8 * _padding(plain)


def _padding(batches: list[dict[str, np.ndarray]]) -> float:
    return float(sum((batch["tokens"] == 0).sum() for batch in batches) / sum(batch["tokens"].size for batch in batches))


@pytest.mark.parametrize(
    ("augment", "named"),
    [
        ({"flip_x": 0.5}, "flip_x"),
        ({"flip_y": 0.1, "randaugment": 1.0}, "flip_y, randaugment"),
        ({"rotate": 0.5, "rotate_deg": 90.0}, "rotate"),
        ({"colour": 0.5, "hue": 0.3}, "colour"),
    ],
)
def test_what_makes_captions_false_is_refused(augment: dict[str, float], named: str) -> None:
    with pytest.raises(DataError, match=rf"data.augment: {named} would make captions false.*leave them out"):
        scenes(augment=_Frozen(augment))
    source = scenes().__dict__["_source"]
    of(type(source)(source.options.model_copy(update={"augment": source.options.augment.model_copy(update=augment)}), seed=0, base=None), frozenset())


def test_other_changes_leave_captions_true() -> None:
    scenes(augment=_Frozen({"translate": 1.0, "rotate": 0.5, "colour": 0.5, "resized_crop": 0.2, "noise": 1.0}))


class _Frozen(dict[str, float]):
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def test_the_run_keeps_what_the_texts_are_like_and_goes_on_with_the_same_only() -> None:
    pipeline = scenes(max_length=6)
    report = pipeline.report()
    assert report["texts"]["length"] == 6
    assert report["texts"]["size"] == pipeline.info.texts.vocabulary.size
    cut = report["texts"]["splits"]["train"]["cut"]
    assert f"texts of train: {cut:,} of 220 texts are longer than 6 pieces and are cut" in " ".join(report["warnings"])
    assert 0 < cut < 220
    assert next(iter(report["texts"]["frequent"])) == "a"
    assert pipeline.fingerprint() != scenes(max_length=6, min_count=30).fingerprint()
    assert of(pipeline.__dict__["_source"], frozenset({"mask"})).texts is None
    assert "texts" not in of(pipeline.__dict__["_source"], frozenset({"mask"})).report()


def test_the_vocabulary_of_a_run_is_used_on_other_data() -> None:
    from kvision.data.text.learning import learn
    from kvision.data.text.texts import Kept

    source = scenes().__dict__["_source"]
    kept = type("Kept", (Scenes,), {"kept": Kept(learn(["a red star", "one"], "word"), 4)})
    pipeline = of(kept(source.options, seed=0, base=None))
    assert pipeline.info.texts.vocabulary.size == 8
    assert steps(pipeline.val(), 1)[0]["tokens"].shape == (8, 5, 6)
    assert pipeline.report()["texts"]["length"] == 4
