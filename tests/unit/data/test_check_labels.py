"""Planted faults of classification data, each found and named, and clean sets without a false alarm."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kvision.core.errors import DataError
from kvision.data.check import check
from kvision.data.faults import FAULTS
from kvision.data.sources.digits import Digits
from kvision.data.sources.digits import Options as DigitOptions
from kvision.data.sources.npz import Npz
from kvision.data.sources.npz import Options as NpzOptions
from tests.unit.data.class_folders import picture, source, write


def cut(file: Path, keep: float) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * keep)])


def rare(root: Path) -> None:
    write(root / "train", 110, names=("cat",), first=100)
    (root / "train/eel/007.png").unlink()


# name: (how it is planted, kind, files named, words of the message)
PLANTED = {
    "zero-byte": (lambda r: (r / "train/cat/003.png").write_bytes(b""), "zero-byte", {"train/cat/003.png"}, "empty"),
    "not an image": (lambda r: (r / "train/cat/003.png").write_text("<html>"), "not-an-image", {"train/cat/003.png"}, "html"),
    "truncated": (lambda r: cut(r / "train/cat/003.png", 0.6), "truncated", {"train/cat/003.png"}, "too early"),
    "a type that can't be read": (lambda r: (r / "val/dog/x.tif").write_bytes(b"II*\0"), "unsupported", {"val/dog/x.tif"}, "PNG"),
    "wrong ending": (
        lambda r: Image.open(r / "val/dog/030.png").save(r / "val/dog/030.png", "BMP"),
        "extension",
        {"val/dog/030.png"},
        "a BMP file by its content",
    ),
    "no ending": (lambda r: (r / "train/cat/003.png").rename(r / "train/cat/003"), "no-suffix", {"train/cat/003"}, "PNG file by its content"),
    "no class": (lambda r: (r / "train/cat/003.png").rename(r / "train/003.png"), "no-class", {"train/003.png"}, "lies in train itself"),
    "empty class": (lambda r: (r / "train/fox").mkdir(), "empty-folder", {"fox"}, "holds no picture"),
    "class in val alone": (lambda r: shutil.rmtree(r / "train/eel"), "untrained-class", {"eel"}, "in val but none in train"),
    "class missing in val": (lambda r: shutil.rmtree(r / "val/eel"), "not-in-val", {"eel"}, "8 training examples and none in val"),
    "copied to the other split": (
        lambda r: shutil.copy(r / "train/cat/003.png", r / "val/cat/copy.png"),
        "two-splits",
        {"train/cat/003.png", "val/cat/copy.png"},
        "train/cat/003.png (train), val/cat/copy.png (val)",
    ),
    "the same picture under two labels": (
        lambda r: shutil.copy(r / "train/cat/003.png", r / "train/dog/copy.png"),
        "two-labels",
        {"train/cat/003.png", "train/dog/copy.png"},
        "train/cat/003.png (cat), train/dog/copy.png (dog)",
    ),
    "stored anew in another format": (
        lambda r: Image.fromarray(picture("cat", 3)).save(r / "train/cat/copy.bmp"),
        "same-picture",
        {"train/cat/003.png", "train/cat/copy.bmp"},
        "2 times in train",
    ),
    "skew": (rare, "skewed", {"eel", "cat"}, "cat has 118 training examples, eel 7: 17 times fewer"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_and_named(tmp_path, name):
    act, kind, named, words = PLANTED[name]
    write(tmp_path / "train", 8)
    write(tmp_path / "val", 4, first=30)
    act(tmp_path)
    found = [one for one in check(source(tmp_path)) if one.kind != "no-example"]  # a class in val alone is that as well
    assert [one.kind for one in found] == [kind]
    assert set(found[0].files) == named
    assert words in found[0].message
    assert FAULTS[kind].fix in found[0].message
    assert (found[0].count, found[0].severity) == (1, FAULTS[kind].severity)


def test_many_faults_at_once_errors_first(tmp_path):
    write(tmp_path, 12)
    for number in (2, 3):
        (tmp_path / f"cat/00{number}.png").write_bytes(b"")
    shutil.copy(tmp_path / "dog/004.png", tmp_path / "dog/a.png")
    shutil.copy(tmp_path / "dog/004.png", tmp_path / "eel/b.png")
    found = {one.kind: one for one in check(source(tmp_path))}
    assert list(found) == ["zero-byte", "two-labels"]
    assert found["zero-byte"].files == ("cat/002.png", "cat/003.png")
    assert set(found["two-labels"].files) == {"dog/004.png", "dog/a.png", "eel/b.png"}


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_clean_folders_give_no_alarm(tmp_path, suffix):
    write(tmp_path, 6, suffix=suffix)
    told = []
    assert check(source(tmp_path, test_split=0.2), told=lambda done, total: told.append((done, total))) == []
    assert told == [(done, 18) for done in range(1, 19)]


def test_digits_are_all_different():
    assert check(Digits(DigitOptions(), seed=0, base=Path())) == []


def test_arrays_and_several_classes(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 9, 9)).astype(np.uint8)
    targets = np.zeros((40, 3), np.uint8)
    targets[:, 0] = 1
    targets[:8, 1] = 1
    images[39] = images[0]
    np.savez(tmp_path / "a.npz", x_train=images, y_train=targets, x_val=images[:2] // 2, y_val=targets[:2])
    found = {one.kind: one for one in check(Npz(NpzOptions(path="a.npz"), seed=0, base=tmp_path))}
    assert list(found) == ["two-labels", "no-example"]
    assert "train/0 (0 and 1), train/39 (0)" in found["two-labels"].message
    assert "class 2 (2) has no training example" in found["no-example"].message


def test_nothing_to_check(tmp_path):
    with pytest.raises(DataError, match="there is no folder"):
        check(source(tmp_path / "none"))
    write(tmp_path, 3)
    for file in tmp_path.glob("*/*.png"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"nothing is left for train: .* 9 faults stop the training"):
        check(source(tmp_path))
