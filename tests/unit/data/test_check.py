"""Twenty-odd planted faults, each found and named, and clean sets without a false alarm."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kvision.core.errors import DataError
from kvision.data.check import check, findings
from kvision.data.faults import FAULTS, Fault
from kvision.data.sources.scenes import Options as SceneOptions
from kvision.data.sources.scenes import Scenes
from tests.unit.data.folders import COLOURS, coloured, picture, source, write

COUNT = 12


def cut(file: Path, keep: float) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * keep)])


def overwrite(file: Path, at: float) -> None:
    data = bytearray(file.read_bytes())
    start = int(len(data) * at)
    data[start : start + 40] = bytes(40)
    file.write_bytes(bytes(data))


def as_jpeg(file: Path) -> Path:
    Image.open(file).save(file.with_suffix(".jpg"))
    file.unlink()
    return file.with_suffix(".jpg")


def grey(file: Path, values: np.ndarray) -> None:
    Image.fromarray(values.astype(np.uint8)).save(file)


def rotated(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(np.rot90(picture(5)[0])).save(root / "images/005.png", exif=exif)


def without_class_2(root: Path) -> None:
    for number in range(COUNT):
        mask = picture(number)[1]
        grey(root / f"masks/{number:03}.png", np.where(mask == 2, 0, mask))


def in_two_splits(root: Path) -> None:
    shutil.copy(root / "images/train/001.png", root / "images/val/copy.png")
    shutil.copy(root / "masks/train/001.png", root / "masks/val/copy.png")


def copied(root: Path) -> None:
    shutil.copy(root / "images/train/001.png", root / "images/train/copy.png")
    shutil.copy(root / "masks/train/001.png", root / "masks/train/copy.png")


def interpolated(root: Path) -> None:
    small = Image.fromarray((picture(5)[1] == 1).astype(np.uint8) * 255).resize((16, 12))
    small.resize((32, 24), Image.Resampling.BILINEAR).save(root / "masks/005.png")


def seams(root: Path) -> None:
    two = Image.fromarray((picture(5)[1] > 0).astype(np.uint8) * 2)
    two.resize((16, 12)).resize((32, 24), Image.Resampling.BILINEAR).save(root / "masks/005.png")


def mixed_colours(root: Path) -> None:
    small = Image.fromarray(coloured(picture(5)[1])).resize((20, 15))
    small.resize((32, 24), Image.Resampling.BICUBIC).save(root / "masks/005.png")


# name: (options of the data set, how it is planted, kind, files named, words of the message)
PLANTED = {
    "missing mask": ({}, lambda r: (r / "masks/005.png").unlink(), "missing-mask", {"images/005.png"}, "name_mask"),
    "extra mask": ({}, lambda r: (r / "images/005.png").unlink(), "extra-mask", {"masks/005.png"}, "no image of this name"),
    "two images of a name": (
        {},
        lambda r: shutil.copy(r / "images/005.png", r / "images/005.bmp"),
        "duplicate-stem",
        {"images/005.bmp", "images/005.png"},
        "rename",
    ),
    "two masks of a name": (
        {},
        lambda r: shutil.copy(r / "masks/005.png", r / "masks/005_mask.png"),
        "duplicate-stem",
        {"masks/005.png", "masks/005_mask.png"},
        "images/005",
    ),
    "zero-byte image": ({}, lambda r: (r / "images/005.png").write_bytes(b""), "zero-byte", {"images/005.png"}, "empty"),
    "zero-byte mask": ({}, lambda r: (r / "masks/005.png").write_bytes(b""), "zero-byte", {"masks/005.png"}, "empty"),
    "not an image": ({}, lambda r: (r / "images/005.png").write_text("<html>"), "not-an-image", {"images/005.png"}, "html"),
    "truncated PNG": ({}, lambda r: cut(r / "images/005.png", 0.6), "truncated", {"images/005.png"}, "too early"),
    "truncated JPEG": ({}, lambda r: cut(as_jpeg(r / "images/005.png"), 0.7), "truncated", {"images/005.jpg"}, "too early"),
    "truncated header": ({}, lambda r: cut(r / "images/005.png", 0.01), "truncated", {"images/005.png"}, "header"),
    "truncated mask": ({}, lambda r: cut(r / "masks/005.png", 0.7), "truncated", {"masks/005.png"}, "too early"),
    "damaged inside": ({}, lambda r: overwrite(r / "images/005.png", 0.5), "corrupt", {"images/005.png"}, "damaged"),
    "a type that can't be read": ({}, lambda r: (r / "images/x.tiff").write_bytes(b"II*\0"), "unsupported", {"images/x.tiff"}, "PNG"),
    "TIFF called PNG": ({}, lambda r: (r / "images/005.png").write_bytes(b"II*\0" + bytes(80)), "unsupported", {"images/005.png"}, "TIFF"),
    "wrong ending": ({}, lambda r: Image.open(r / "images/005.png").save(r / "images/005.png", "BMP"), "extension", {"images/005.png"}, "BMP"),
    "bomb": ({"max_pixels": 10**6}, lambda r: Image.new("1", (2000, 2000)).save(r / "images/005.png"), "bomb", {"images/005.png"}, "2000x2000"),
    "value outside": ({}, lambda r: grey(r / "masks/005.png", np.where(picture(5)[1] == 2, 7, 0)), "mask-values", {"masks/005.png"}, "7"),
    "one mask of 0 and 255": (
        {"ignore_value": None},
        lambda r: grey(r / "masks/005.png", (picture(5)[1] > 0) * 255),
        "mask-0-255",
        {"masks/005.png"},
        "mask_values: {0: 0, 255: 1}",
    ),
    "another size": ({}, lambda r: Image.new("L", (30, 24)).save(r / "masks/005.png"), "size", {"images/005.png", "masks/005.png"}, "32x24"),
    "EXIF rotation": ({}, rotated, "exif-rotation", {"images/005.png", "masks/005.png"}, "data.exif: apply"),
    "interpolated": ({}, interpolated, "interpolated", {"masks/005.png"}, "nearest"),
    "interpolated into another class": ({}, seams, "seam-class", {"masks/005.png"}, "class 1"),
    "mask as JPEG": ({}, lambda r: as_jpeg(r / "masks/005.png"), "mask-format", {"masks/005.jpg"}, "PNG"),
    "empty class": ({}, without_class_2, "empty-class", {"class 2"}, "class 2"),
    "all background": ({}, lambda r: grey(r / "masks/005.png", np.zeros((24, 32))), "all-background", {"masks/005.png"}, "finished"),
    "all ignored": ({}, lambda r: grey(r / "masks/005.png", np.full((24, 32), 255)), "all-ignored", {"masks/005.png"}, "no pixel"),
    "in two splits": ({"layout": "folder"}, in_two_splits, "two-splits", {"images/train/001.png", "images/val/copy.png"}, "(val)"),
    "twice": ({"layout": "folder"}, copied, "same-picture", {"images/train/001.png", "images/train/copy.png"}, "2 times"),
    "colour of no class": (
        {"colours": COLOURS},
        lambda r: Image.fromarray(np.full((24, 32, 3), 9, np.uint8)).save(r / "masks/005.png"),
        "mask-colours",
        {"masks/005.png"},
        "[9, 9, 9]",
    ),
    "interpolated colours": ({"colours": COLOURS}, mixed_colours, "interpolated", {"masks/005.png"}, "nearest"),
}


def plant(root: Path, options: dict) -> dict:
    """Writes a clean set, and gives back the options that are the data set's own."""
    kind = "colour" if "colours" in options else "grey"
    if options.get("layout") == "folder":
        write(root, 8, images="images/train", masks="masks/train")
        write(root, 4, first=8, images="images/val", masks="masks/val")
    else:
        write(root, COUNT, kind=kind)
    return {key: value for key, value in options.items() if key != "layout"}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_and_named(tmp_path, name):
    options, act, kind, named, words = PLANTED[name]
    options = plant(tmp_path, options)
    act(tmp_path)
    (finding,) = check(source(tmp_path, val_split=0.5, **options))
    assert finding.kind == kind
    assert set(finding.files) == named
    assert words in finding.message
    assert finding.count == 1
    assert finding.severity == FAULTS[kind].severity


def test_masks_of_0_and_255_throughout_are_one_finding_with_the_count(tmp_path):
    write(tmp_path, COUNT)
    for number in range(COUNT):
        grey(tmp_path / f"masks/{number:03}.png", (picture(number)[1] > 0) * 255)
    (finding,) = check(source(tmp_path, classes=2, val_split=0.5))
    assert (finding.kind, finding.count, len(finding.files)) == ("mask-0-255", COUNT, COUNT)
    assert "mask_values: {0: 0, 255: 1}" in finding.message
    assert check(source(tmp_path, classes=2, val_split=0.5, mask_values={0: 0, 255: 1})) == []


def test_masks_in_colour_without_colours(tmp_path):
    write(tmp_path, 6, kind="colour")
    (finding,) = check(source(tmp_path, val_split=0.5))
    assert (finding.kind, finding.count) == ("mask-in-colour", 6)


def test_many_faults_at_once_errors_first(tmp_path):
    write(tmp_path, COUNT)
    for number in (2, 3):
        (tmp_path / f"images/00{number}.png").write_bytes(b"")
    Image.open(tmp_path / "images/004.png").save(tmp_path / "images/004.png", "BMP")
    (tmp_path / "masks/005.png").unlink()
    found = check(source(tmp_path, val_split=0.5))
    assert [(one.kind, one.severity, one.count) for one in found] == [
        ("missing-mask", "error", 1),
        ("zero-byte", "error", 2),
        ("extension", "warning", 1),
    ]
    assert found[1].files == ("images/002.png", "images/003.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("kind", ["grey", "indexed", "colour"])
def test_clean_sets_give_no_alarm(tmp_path, suffix, kind):
    write(tmp_path, COUNT, suffix=suffix, kind=kind)
    write(tmp_path, 4, suffix=".bmp", kind=kind, first=COUNT)
    (tmp_path / "images/readme.txt").write_text("not a picture, and no concern of ours")
    assert check(source(tmp_path, val_split=0.4, **({"colours": COLOURS} if kind == "colour" else {}))) == []


def test_clean_sub_folders_ignored_pixels_and_progress(tmp_path):
    write(tmp_path, 5, images="train/images", masks="train/masks")
    write(tmp_path, 3, first=5, images="val/images", masks="val/masks")
    mask = picture(6)[1]
    mask[:3] = 255
    grey(tmp_path / "val/masks/006.png", mask)
    told = []
    assert check(source(tmp_path), told=lambda done, total: told.append((done, total))) == []
    assert told == [(done, 8) for done in range(1, 9)]


def test_scenes_are_clean():
    options = SceneOptions(train_size=40, val_size=40, size_px=64)
    assert check(Scenes(options, seed=0, base=Path())) == []


def test_a_class_missing_from_validation_alone_is_a_warning(tmp_path):
    write(tmp_path, 5, images="images/train", masks="masks/train")
    write(tmp_path, 2, first=5, images="images/val", masks="masks/val")
    for number in (5, 6):
        mask = picture(number)[1]
        grey(tmp_path / f"masks/val/{number:03}.png", np.where(mask == 2, 0, mask))
    (finding,) = check(source(tmp_path))
    assert (finding.kind, finding.severity) == ("not-validated", "warning")


def test_nothing_to_check(tmp_path):
    with pytest.raises(DataError, match="there is no folder"):
        check(source(tmp_path / "none"))


def test_findings_count_faults_and_name_each_file_once():
    found = findings([Fault("size", ("a", "b"), "first"), Fault("size", ("a", "c"), "second")])
    assert [(one.files, one.count, one.message.split(";")[0]) for one in found] == [(("a", "b", "c"), 2, "first")]
