"""What the data page is made of, and the page itself."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kvision.core.errors import RunError
from kvision.core.schema import DataOptions
from kvision.data import show
from kvision.data.pipeline import Pipeline
from kvision.data.sources.npz import Npz, Options
from tests.fakes import PALETTE, FakeSource

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = frozenset({"mask", "boxes", "labels"})


def decoded(uri: str) -> Image.Image:
    kind, _, content = uri.partition(";base64,")
    assert kind in {"data:image/png", "data:image/jpeg"}
    return Image.open(io.BytesIO(base64.b64decode(content)))


def look(count: int = 6, draws: int = 2, *, shape: tuple[int, int] = (32, 32), **augment: float) -> tuple[Pipeline, show.Overview]:
    options = DataOptions(source="fake", size_px=32, batch=4, augment=augment)
    pipeline = Pipeline(FakeSource(options, shape=shape), options, FIELDS, 0)
    return pipeline, show.overview(pipeline, count, draws=draws)


def test_examples_are_evenly_spaced_and_shown_before_and_after() -> None:
    pipeline, found = look(noise=1.0)
    assert [example.name for example in found.examples["train"]] == [f"fake/train/{number}" for number in (0, 5, 9, 14, 18, 23)]
    assert [example.name for example in found.examples["val"]] == ["fake/val/0", "fake/val/9"]
    assert all(len(example.shots) == 1 for example in found.examples["val"])
    shots = found.examples["train"][1].shots
    assert [shot.title for shot in shots] == ["as it is", "epoch 1", "epoch 2"]
    np.testing.assert_array_equal(decoded(shots[0].image), pipeline.raw("train", 5)["image"])
    np.testing.assert_array_equal(decoded(shots[2].image), pipeline.sample(5, 1)["image"])
    assert shots[1].image != shots[2].image


def test_a_draw_is_what_that_epoch_trains_on() -> None:
    pipeline, _ = look(noise=1.0, flip_x=0.5)
    batches = pipeline.train(pipeline.steps_per_epoch).take(pipeline.steps_per_epoch).as_numpy_iterator()
    shown = {int(index): image for batch in batches for index, image in zip(batch["index"], batch["image"], strict=True)}
    for index in (0, 11):
        expected = pipeline.preprocess.normalise(pipeline.sample(index, 1)["image"])
        np.testing.assert_allclose(shown[index], expected, atol=0.6 / 255 / min(pipeline.preprocess.std))


def test_without_augmentation_nothing_is_drawn() -> None:
    _, found = look()
    assert found.transforms == ()
    assert all(len(example.shots) == 1 for example in found.examples["train"])


def test_class_shares_are_counted_by_hand() -> None:
    pipeline, found = look()
    masks = np.stack([pipeline.raw("val", index)["mask"] for index in range(10)])
    assert [row.name for row in found.classes] == ["background", "disc", "square"]
    assert [row.colour for row in found.classes] == ["#000000", "#e6503c", "#3c78e6"]
    for number, row in enumerate(found.classes):
        assert row.pixels["val"] == pytest.approx((masks == number).mean())
        assert row.images["val"] == 1.0
    assert found.counted == {"train": 24, "val": 10}


def test_what_is_ignored_is_counted_apart_and_sizes_are_the_originals() -> None:
    _, found = look(shape=(16, 32))
    assert found.classes[-1].name == "ignored"
    assert found.classes[-1].pixels["train"] == 0.5
    facts = dict(found.facts)
    assert facts["original size"] == "32 × 16 px"
    assert facts["trained on"] == "32 × 32 px, resize"
    assert facts["training examples"] == "24"


def test_mask_overlay_has_a_clear_background_and_the_palette() -> None:
    info = FakeSource().info
    overlay = np.asarray(decoded(show.mask_uri(np.array([[0, 1], [2, 255]], np.uint8), info)).convert("RGBA"))
    assert overlay[0, 0, 3] == 0
    np.testing.assert_array_equal(overlay[0, 1], [*PALETTE[1], show.MASK_OPACITY])
    np.testing.assert_array_equal(overlay[1, 1], [128, 128, 128, 200])


def test_boxes_carry_name_and_colour_and_padding_is_left_out() -> None:
    pipeline, found = look()
    boxes = found.examples["train"][0].shots[0].boxes
    top, left, bottom, right = pipeline.raw("train", 0)["boxes"][1]
    assert boxes[1] == show.Box(left, top, right - left, bottom - top, "#3c78e6", "square")
    assert len(boxes) == 2


def test_large_pictures_become_jpeg() -> None:
    assert show.image_uri(np.zeros([300, 300, 3], np.uint8)).startswith("data:image/jpeg")


def test_the_transforms_in_use_are_listed_with_their_strength() -> None:
    _, found = look(rotate=0.25, cutout=1.0)
    assert found.transforms == (show.Transform("rotate", 0.25, "±15°"), show.Transform("cutout", 1.0, "25% of the side"))


def test_classes_of_labelled_pictures_are_named_and_counted(tmp_path: Path) -> None:
    images, labels = np.random.default_rng(0).integers(0, 256, (20, 8, 8)).astype(np.uint8), np.arange(20) % 4 // 2
    for name, made, words in (("single", labels, {"cat", "dog"}), ("several", np.eye(2)[labels] + [1, 0] > 0, {"cat", "dog"})):
        np.savez(tmp_path / f"{name}.npz", images=images, labels=made)
        options = Options(path=f"{name}.npz", size_px=8, batch=4, val_split=0.3, classes=("cat", "dog"), augment={"mixup": 0.5})
        source = Npz(options, seed=0, base=tmp_path)
        found = show.overview(Pipeline(source, options, source.info.fields, 0), 4)
        assert [row.name for row in found.counts] == ["cat", "dog"]
        example = found.examples["train"][1]
        number = int(example.name.removeprefix("train/"))
        if name == "single":
            assert [row.counts for row in found.counts] == [{"train": 7, "val": 3}] * 2
            assert example.labels == (("cat", "dog")[labels[number]],)
        else:
            assert found.counts[0].counts == {"train": 14, "val": 6}
            assert found.counts[1].shares["train"] == 0.5
            assert example.labels == (("cat", "dog") if labels[number] else ("cat",))
        assert words >= set(example.labels)
        assert found.classes == ()
        assert found.transforms == (show.Transform("mixup", 0.5, "blended with another picture by a share drawn from Beta(0.2, 0.2)"),)


def test_the_page_is_whole_offline_and_says_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from kvision.commands import data

    out = tmp_path / "page.html"
    small = ["data.train_size=8", "data.val_size=4", "data.size_px=32", "data.batch=4", "data.augment.flip_x=0.5", "model.depth=2"]
    data.show("unet", small, out=str(out), count=3)
    assert capsys.readouterr().out.strip() == str(out)
    text = out.read_text()
    assert len(re.findall(r"<article", text)) == 4
    assert "scenes/train/0" in text
    assert "digit 7" in text
    assert "flip_x" in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    with pytest.raises(
        RunError, match=r"nowhere/page\.html: the page could not be written: No such file .*; choose a folder that can be written with --out"
    ):
        data.show("unet", small, out=str(tmp_path / "nowhere" / "page.html"), count=1)
