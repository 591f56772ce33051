"""The pipeline: what stands where in which step, on how many replicas, and what happens to files that can't be read."""

from __future__ import annotations

import functools
import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.core.schema import AugmentOptions, DataOptions
from kvision.data.pipeline import Pipeline
from tests.fakes import COLOURS, FakeSource

EVERYTHING = frozenset({"image", "mask", "instances", "boxes", "labels", "order", "captions"})
BUSY = {"rotate": 0.5, "scale": 0.5, "colour": 0.5, "noise": 0.5}


def make(
    fields: frozenset[str] = frozenset({"mask"}), *, num: tuple[int, int] = (22, 10), seed: int = 0, source: Any = None, **options: Any
) -> Pipeline:
    section = DataOptions(**{"source": "fake", "size_px": 32, "batch": 4, **options})
    return Pipeline(source or FakeSource(section, num=num), section, fields, seed)


@functools.cache
def usual(*, busy: bool = False) -> Pipeline:
    """The pipelines that most tests only look at."""
    return make(EVERYTHING, augment=BUSY) if busy else make()


def take(dataset: tf.data.Dataset, count: int) -> list[dict[str, np.ndarray]]:
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def context(pipelines: int, this: int, replicas: int) -> tf.distribute.InputContext:
    return tf.distribute.InputContext(pipelines, this, replicas)


def joined(batches: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def assert_equal(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


def test_batches_have_the_contracts_fields_static_shapes_and_types() -> None:
    spec = usual(busy=True).train(0).element_spec
    shapes = {name: (tuple(tensor.shape), tensor.dtype.name) for name, tensor in spec.items()}
    assert shapes == {
        "image": ((4, 32, 32, 3), "float32"),
        "mask": ((4, 32, 32), "uint8"),
        "instances": ((4, 32, 32), "uint8"),
        "boxes": ((4, 3, 4), "float32"),
        "labels": ((4, 3), "int32"),
        "order": ((4, 3), "int32"),
        "captions": ((4, 5), "string"),
        "index": ((4,), "int64"),
        "weight": ((4,), "float32"),
    }


def test_an_epoch_holds_no_example_twice_and_epochs_differ() -> None:
    pipeline = usual()
    assert pipeline.steps_per_epoch == 5
    epochs = joined(take(pipeline.train(0), 10))["index"].reshape(2, 20)
    for epoch in epochs:
        assert len(set(epoch)) == 20
        assert set(epoch) <= set(range(22))
    assert list(epochs[0]) != list(epochs[1])
    assert set(epochs[0]) != set(epochs[1]), "the two examples left out are others each time"


def test_a_whole_epoch_is_a_permutation_and_the_seed_changes_it() -> None:
    order = [joined(take(make(num=(24, 4), seed=seed).train(0), 6))["index"] for seed in (0, 0, 1)]
    assert sorted(order[0]) == list(range(24))
    assert list(order[0]) == list(order[1])
    assert list(order[0]) != list(order[2])


def test_starting_at_a_step_equals_skipping_the_steps_before_it() -> None:
    pipeline = usual(busy=True)
    whole = take(pipeline.train(0), 9)
    for left, right in zip(whole[6:], take(pipeline.train(6), 3), strict=True):
        assert_equal(left, right)


def test_the_same_example_looks_different_in_another_epoch() -> None:
    batches = take(make(num=(4, 4), augment={"noise": 1.0}).train(0), 2)
    first, second = ({int(i): image for i, image in zip(batch["index"], batch["image"], strict=True)} for batch in batches)
    assert all(np.abs(first[i] - second[i]).max() > 0 for i in range(4))


@pytest.mark.parametrize(("pipelines", "replicas"), [(1, 2), (2, 2), (2, 4)])
@pytest.mark.parametrize("busy", [False, True], ids=["plain", "augmented"])
def test_replicas_put_together_equal_one(pipelines: int, replicas: int, busy: bool) -> None:
    pipeline = usual(busy=busy)
    local = replicas // pipelines
    shares = [take(pipeline.train(3, context(pipelines, this, replicas)), 4 * local) for this in range(pipelines)]
    for step, expected in enumerate(take(pipeline.train(3), 4)):
        parts = [batch for share in shares for batch in share[step * local : (step + 1) * local]]
        assert all(len(part["index"]) == 4 // replicas for part in parts)
        assert_equal(joined(parts), expected)


def test_indices_and_names_tell_what_a_step_holds() -> None:
    pipeline = usual()
    for step, batch in enumerate(take(pipeline.train(0), 12)):
        np.testing.assert_array_equal(pipeline.indices(step), batch["index"])
    assert pipeline.names(7) == [f"fake/train/{index}" for index in pipeline.indices(7)]
    assert pipeline.indices(0).dtype == np.int64


@pytest.mark.parametrize(("pipelines", "replicas"), [(1, 1), (1, 2), (2, 2)])
def test_validation_covers_each_example_exactly_once_by_weight(pipelines: int, replicas: int) -> None:
    pipeline = usual()
    shares = [list(pipeline.val(context(pipelines, this, replicas)).as_numpy_iterator()) for this in range(pipelines)]
    assert pipeline.val_steps == 3
    assert {len(share) for share in shares} == {3 * replicas // pipelines}
    everything = joined([batch for share in shares for batch in share])
    assert len(everything["index"]) == 12
    counts = np.zeros(10)
    np.add.at(counts, everything["index"], everything["weight"])
    np.testing.assert_array_equal(counts, np.ones(10))


@pytest.mark.parametrize("often", [1.0, 0.5])
def test_pictures_normalised_as_their_colours_change_equal_those_normalised_by_the_batch(often: float, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"augment": {"colour": often, "flip_x": 0.5, "resized_crop": 0.5}}
    early = take(make(**options).train(0), 3)
    monkeypatch.setattr("kvision.data.pipeline.ends_with_colour", lambda options: False)
    for left, right in zip(early, take(make(**options).train(0), 3), strict=True):
        assert_equal(left, right)


def test_validation_is_in_order_and_not_augmented() -> None:
    batches = joined(take(make(augment={"flip_x": 1.0, "colour": 1.0}).val(), 3))
    plain = joined(take(usual().val(), 3))
    np.testing.assert_array_equal(batches["index"], [*range(10), 9, 9])
    np.testing.assert_array_equal(batches["image"], plain["image"])


def test_statistics_come_from_the_training_split_alone_and_normalise_it() -> None:
    class DarkValidation(FakeSource):
        def split(self, name: Any) -> Any:
            split = super().split(name)
            if name == "val":
                split._arrays["image"][:] = 0
            return split

    section = DataOptions(source="fake", size_px=32, batch=4)
    pipeline = make(source=DarkValidation(section, num=(20, 10)))
    images = np.stack([pipeline.raw("train", index)["image"] for index in range(20)]) / 255
    np.testing.assert_allclose(pipeline.preprocess.mean, images.mean((0, 1, 2)), rtol=1e-9)
    np.testing.assert_allclose(pipeline.preprocess.std, images.std((0, 1, 2)), rtol=1e-9)
    epoch = joined(take(pipeline.train(0), 5))["image"].astype(np.float64)
    np.testing.assert_allclose(epoch.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(epoch.std((0, 1, 2)), 1, atol=1e-5)


@pytest.mark.parametrize("fit", ["resize", "crop"])
def test_cached_and_uncached_batches_are_equal(fit: str) -> None:
    batches = []
    for cache in ("auto", "none"):
        section = DataOptions(source="fake", size_px=32, batch=4, fit=fit, cache=cache, augment=BUSY)
        pipeline = make(EVERYTHING, source=FakeSource(section, shape=(40, 56)), fit=fit, cache=cache, augment=BUSY)
        batches.append(joined(take(pipeline.train(0), 3) + take(pipeline.val(), 3)))
    assert_equal(*batches)


def test_it_tells_where_the_examples_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def cache(**options: Any) -> str | None:
        section = DataOptions(source="fake", size_px=32, batch=4, **options)
        return make(source=FakeSource(section), **options).chosen()["cache"].value

    assert [cache(), cache(cache="none"), cache(fit="crop")] == ["ram", "none", "none"]
    assert cache(augment=AugmentOptions(resized_crop=0.5)) == "auto"  # parts are cut from the pictures as they are stored
    monkeypatch.setattr("kvision.data.cache.SHARE_OF_MEMORY", 0.0)
    assert cache() == "none"
    monkeypatch.setattr("kvision.data.cache.psutil.virtual_memory", lambda: SimpleNamespace(available=15))
    monkeypatch.setattr("kvision.data.cache._bytes_each", lambda reader: 1)
    monkeypatch.setattr("kvision.data.cache.SHARE_OF_MEMORY", 1.0)  # 24 training examples don't fit, 10 for validation do
    assert cache() == "auto"


def test_a_random_crop_moves_from_epoch_to_epoch_and_validation_stays_in_the_middle() -> None:
    section = DataOptions(source="fake", size_px=32, batch=4, fit="crop")
    source = FakeSource(section, num=(4, 4), shape=(40, 56))
    pipeline = make(source=source, fit="crop")
    first, second = ({int(i): mask for i, mask in zip(batch["index"], batch["mask"], strict=True)} for batch in take(pipeline.train(0), 2))
    assert any((first[i] != second[i]).any() for i in range(4))
    expected = source.split("val").read(tf.constant(2, tf.int64), frozenset({"mask"}))["mask"][4:36, 12:44]
    np.testing.assert_array_equal(take(pipeline.val(), 1)[0]["mask"][2], expected)


def test_raw_gives_what_the_square_holds() -> None:
    raw = usual(busy=True).raw("val", 3)
    assert raw["image"].dtype == raw["mask"].dtype == np.uint8
    assert np.abs(raw["image"].astype(int) - COLOURS[raw["mask"]]).max() < 8


@pytest.mark.parametrize("cache", ["auto", "none"])
def test_a_corrupt_file_stops_and_is_named_or_is_skipped_and_counted(cache: str) -> None:
    def broken(on_error: str) -> Pipeline:
        section = DataOptions(source="fake", size_px=32, batch=4, cache=cache, on_error=on_error)
        return make(source=FakeSource(section, corrupt=[3, 17]), cache=cache, on_error=on_error)

    with pytest.raises(DataError, match=r"fake/train/3: .*the file ends too early.*data\.on_error: skip"):
        broken("stop").train(0)
    pipeline = broken("skip")
    assert pipeline.num_train == 22
    assert pipeline.report()["skipped"] == {"train": ["fake/train/3", "fake/train/17"], "val": []}
    names = {name for step in range(pipeline.steps_per_epoch) for name in pipeline.names(step)}
    assert len(names) == 20
    assert not names & {"fake/train/3", "fake/train/17"}
    batch = take(pipeline.train(0), 1)[0]
    np.testing.assert_array_equal(batch["mask"][0], pipeline.raw("train", batch["index"][0])["mask"])
    assert pipeline.blame(0, 4) is None


def test_a_file_that_breaks_while_training_uncached_is_found() -> None:
    section = DataOptions(source="fake", size_px=32, batch=4, cache="none")
    source = FakeSource(section, num=(1024, 4))
    pipeline = make(source=source, cache="none")
    step = next(step for step in range(256) if 7 in pipeline.indices(step))
    pipeline._store("train").reader.split._corrupt = [7]  # type: ignore[attr-defined]
    assert pipeline.blame(step - 1, step - 1) is None
    assert "fake/train/7: " in str(pipeline.blame(step - 1, step))


def test_a_partner_in_mixing_that_breaks_while_training_uncached_is_found() -> None:
    pipeline = make(frozenset(), num=(64, 4), cache="none", augment={"mixup": 0.5})
    pipeline._store("train").reader.split._corrupt = [7]  # type: ignore[attr-defined]
    own = {step for step in range(16) if 7 in pipeline.indices(step)}
    found = {step for step in range(16) if pipeline.blame(step, step) is not None}
    assert own < found
    assert len(found) == 2


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_mask_value_that_no_class_has_stops_always(on_error: str) -> None:
    section = DataOptions(source="fake", size_px=32, batch=4, on_error=on_error)
    pipeline = make(source=FakeSource(section, bad_mask=[5]), on_error=on_error)
    with pytest.raises(DataError, match=r"fake/train/5: its mask holds the value 99; the 3 classes are 0\.\.2 and 255 \(ignored\)"):
        pipeline.train(0)


def test_an_uncached_mask_value_that_no_class_has_stops_the_graph() -> None:
    section = DataOptions(source="fake", size_px=32, batch=4, cache="none")
    pipeline = make(source=FakeSource(section, bad_mask=[5]), cache="none")
    with pytest.raises(tf.errors.InvalidArgumentError, match="mask"):
        take(pipeline.train(0), pipeline.steps_per_epoch)
    with pytest.raises(DataError, match="fake/train/5: its mask holds the value 99"):
        pipeline.blame(0, pipeline.steps_per_epoch - 1)


def test_too_few_examples_uneven_replicas_and_missing_fields_are_named() -> None:
    with pytest.raises(DataError, match=r"data\.batch: 64 is more than the 22 training examples; use a batch of at most 22"):
        make(batch=64).train(0)
    with pytest.raises(DataError, match=r"data\.batch: 4 can't be split evenly over 3 devices; use a multiple of 3"):
        usual().train(0, context(1, 0, 3))
    with pytest.raises(DataError, match="fake has no depth; it gives boxes, captions"):
        make(frozenset({"depth"}))
    with pytest.raises(DataError, match=r"data\.cache: ram does not go with data\.fit: crop"):
        make(cache="ram", fit="crop").train(0)


def test_the_fingerprint_changes_with_the_data_and_not_with_the_cache() -> None:
    prints = [make(**options).fingerprint() for options in ({}, {"cache": "none"}, {"num": (23, 10)}, {"seed": 1}, {"size_px": 40})]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4


@pytest.mark.parametrize("size", [32, 40])
def test_a_split_in_memory_is_not_copied_and_gives_the_same(size: int) -> None:
    pipeline, copied = make(size_px=size), make(size_px=size)
    pipeline._split("train").in_memory = True  # type: ignore[attr-defined]
    assert pipeline._store("train").vectorised == (size == 32)
    assert type(pipeline._store("train")) is not type(copied._store("train"))
    assert_equal(*(joined(take(each.train(2), 2)) for each in (pipeline, copied)))


def test_a_given_preprocessing_is_used_as_it_is() -> None:
    first = usual()
    source = FakeSource(DataOptions(source="fake", size_px=32, batch=4))
    again = Pipeline(source, first.options, frozenset({"mask"}), 0, preprocess=first.preprocess)
    assert again.preprocess is first.preprocess
    assert source.reads == []
