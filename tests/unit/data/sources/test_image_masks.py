from __future__ import annotations

import os
import shutil

import numpy as np
import pydantic
import pytest
import tensorflow as tf
from PIL import Image

from kvision.core.errors import DataError
from kvision.core.schema import Chosen
from kvision.data.pipeline import Pipeline
from kvision.data.sources.image_masks import ImageMasks, Options
from tests.unit.data.folders import COLOURS, picture, source, write

FIELDS = frozenset({"image", "mask"})


def read_all(split, fields=FIELDS):
    """Every example by way of a graph, as the pipeline does it."""
    data = tf.data.Dataset.range(len(split)).map(lambda index: split.read(index, fields))
    return dict(zip(split.names, data.as_numpy_iterator(), strict=True))


def both(one):
    return read_all(one.split("train")) | read_all(one.split("val"))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".bmp", ".gif", ".webp"])
@pytest.mark.parametrize("kind", ["grey", "indexed", "colour"])
def test_every_format_gives_the_picture_and_the_classes(tmp_path, suffix, kind):
    write(tmp_path, 8, suffix=suffix, kind=kind)
    examples = both(source(tmp_path, **({"colours": COLOURS} if kind == "colour" else {})))
    assert sorted(examples) == [f"images/{number:03}{suffix}" for number in range(8)]
    for number in range(8):
        image, mask = picture(number)
        example = examples[f"images/{number:03}{suffix}"]
        np.testing.assert_array_equal(example["mask"], mask)
        assert example["image"].dtype == np.uint8
        lossy = {".jpg": 40, ".JPEG": 40, ".webp": 40, ".gif": 40}.get(suffix, 0)
        assert np.abs(example["image"].astype(int) - image).mean() <= lossy
        if suffix == ".jpg":
            np.testing.assert_allclose(example["image"], np.asarray(Image.open(tmp_path / f"images/{number:03}.jpg")), atol=4)


def test_the_first_frame_of_an_animation(tmp_path):
    write(tmp_path, 6)
    frames = [Image.new("RGB", (32, 24), colour) for colour in ("red", "lime")]
    for number in range(6):
        frames[0].save(tmp_path / f"images/{number:03}.gif", save_all=True, append_images=frames[1:])
        (tmp_path / f"images/{number:03}.png").unlink()
    for example in both(source(tmp_path)).values():
        assert example["image"].shape == (24, 32, 3)
        assert (example["image"] == [255, 0, 0]).all()


def test_classes_stand_in_the_colours(tmp_path):
    one = source(tmp_path, classes=None, colours={"sky": (0, 0, 255), "ignore": (0, 0, 0), "sea": (0, 0, 128)})
    assert one.options.chosen()["classes"] == Chosen("the names in colours", ["sky", "sea"])
    assert "classes" not in source(tmp_path).options.chosen()


def test_info_needs_no_folder(tmp_path):
    named = source(tmp_path / "none", classes=("sky", "sea")).info
    assert named.class_names == ("sky", "sea")
    assert source(tmp_path, classes=3).info.class_names == ("background", "class 1", "class 2")
    coloured_info = source(tmp_path, colours={"a": (1, 2, 3), "ignore": (9, 9, 9), "b": (4, 5, 6)}).info
    assert (coloured_info.class_names, coloured_info.palette) == (("a", "b"), ((1, 2, 3), (4, 5, 6)))


def test_masks_are_found_by_suffix_recursively_and_in_the_same_folder(tmp_path):
    write(tmp_path, 8)
    for sub in ("images/deep/er", "masks/deep/er"):
        (tmp_path / sub).mkdir(parents=True)
    shutil.move(tmp_path / "images/000.png", tmp_path / "images/deep/er/000.png")
    shutil.move(tmp_path / "masks/000.png", tmp_path / "masks/deep/er/000_mask.png")
    shutil.move(tmp_path / "masks/001.png", tmp_path / "masks/001_gt.png")
    (tmp_path / "images/.hidden.png").write_bytes(b"no")
    (tmp_path / "images/notes.txt").write_text("no")
    examples = both(source(tmp_path, val_split=0.5))
    assert len(examples) == 8
    np.testing.assert_array_equal(examples["images/deep/er/000.png"]["mask"], picture(0)[1])
    together = tmp_path / "together"
    together.mkdir()
    for number in range(8):
        shutil.copy(tmp_path / "images/002.png", together / f"{number}.png")
        shutil.copy(tmp_path / "masks/002.png", together / f"{number}_mask.png")
    assert len(both(source(together, images=".", masks=".", val_split=0.5))) == 8
    nested = tmp_path / "nested"
    write(nested, 8, images=".", masks="masks")
    assert len(both(source(nested, images=".", val_split=0.5))) == 8


def test_adding_files_never_moves_an_old_one(tmp_path):
    write(tmp_path, 30)
    before = set(source(tmp_path).split("val").names)
    write(tmp_path, 30, first=30)
    after = set(source(tmp_path).split("val").names)
    assert 2 <= len(before) <= 12
    assert {name for name in after if int(name[7:10]) < 30} == before
    assert not after & set(source(tmp_path).split("train").names)


def test_split_by_lists(tmp_path):
    write(tmp_path, 6)
    (tmp_path / "val.txt").write_text("# the hard ones\n001\n\nimages/004.png\n")
    one = source(tmp_path, val_list="val.txt")
    assert one.options.chosen()["split"] == Chosen("train_list or val_list is given", "list")
    assert list(one.split("val").names) == ["images/001.png", "images/004.png"]
    assert len(one.split("train")) == 4
    (tmp_path / "train.txt").write_text("000.png\n002\n")
    assert list(source(tmp_path, val_list="val.txt", train_list="train.txt").split("train").names) == ["images/000.png", "images/002.png"]
    (tmp_path / "train.txt").write_text("000\n001\n")
    with pytest.raises(DataError, match=r"1 images are in data.train_list as well, such as 001"):
        source(tmp_path, val_list="val.txt", train_list="train.txt").split("train")
    (tmp_path / "val.txt").write_text("images/04.png\n")
    with pytest.raises(DataError, match=r"val.txt:1: there is no image 'images/04.png'; did you mean \"images/004.png\""):
        source(tmp_path, val_list="val.txt").split("train")
    with pytest.raises(DataError, match=r"none.txt can't be read"):
        source(tmp_path, val_list="none.txt").split("train")


@pytest.mark.parametrize("layout", ["images/{}", "{}/images"])
def test_split_by_folder(tmp_path, layout):
    for split, count in (("train", 5), ("val", 2)):
        images = layout.format(split)
        write(tmp_path, count, images=images, masks=images.replace("images", "masks"))
    one = source(tmp_path)
    assert (len(one.split("train")), len(one.split("val"))) == (5, 2)
    assert one.report()["split"] == "folder"
    assert one.options.chosen()["split"].value is None  # the recipe alone can't tell
    assert one.chosen() == {"split": Chosen(f"{tmp_path} has sub-folders train and val", "folder")}
    assert one.report()["files"]["val"] == [f"{layout.format('val')}/{number:03}.png" for number in range(2)]


def test_a_split_without_examples_says_what_to_do(tmp_path):
    write(tmp_path, 1)
    with pytest.raises(DataError, match=r"of 1 pair none is left for (train|val); training and validation need one each; add images"):
        source(tmp_path).split("train")
    with pytest.raises(DataError, match=r"data.split: folder: neither"):
        source(tmp_path, split="folder").split("train")
    with pytest.raises(DataError, match=r"neither data.train_list nor data.val_list"):
        source(tmp_path, split="list").split("train")


def test_missing_and_empty_folders(tmp_path):
    write(tmp_path / "street", 2)
    with pytest.raises(DataError, match=r'there is no folder .*/steet; .* holds the folders street; did you mean "street"'):
        source(tmp_path / "steet").split("train")
    with pytest.raises(DataError, match=r'data.masks: there is no folder .*/mask; .* did you mean "masks"'):
        source(tmp_path / "street", masks="mask").split("train")
    (tmp_path / "empty/images").mkdir(parents=True)
    (tmp_path / "empty/masks").mkdir()
    with pytest.raises(DataError, match=r"images holds no images .*; it is empty"):
        source(tmp_path / "empty").split("train")
    (tmp_path / "empty/images/a.txt").write_text("")
    with pytest.raises(DataError, match=r"it holds 1 files with .txt"):
        source(tmp_path / "empty").split("train")
    with pytest.raises(DataError, match=r"is a file; give the folder"):
        source(tmp_path / "empty/images/a.txt").split("train")


def test_0_255_masks_get_a_one_line_fix(tmp_path):
    write(tmp_path, 8)
    for number in range(8):
        Image.fromarray((picture(number)[1] > 0).astype(np.uint8) * 255).save(tmp_path / f"masks/{number:03}.png")
    for ignore in (255, None):
        with pytest.raises(DataError, match=r"8 faults stop[\s\S]*holds 0 and 255[\s\S]*mask_values: \{0: 0, 255: 1\}"):
            source(tmp_path, classes=2, ignore_value=ignore).split("train")
    examples = both(source(tmp_path, classes=2, mask_values={0: 0, 255: 1}))
    np.testing.assert_array_equal(examples["images/003.png"]["mask"], picture(3)[1] > 0)


FAULTS = {
    "zero-byte": (lambda root: (root / "images/003.png").write_bytes(b""), "images/003.png: the file is empty"),
    "not-an-image": (lambda root: (root / "images/003.png").write_text("hello"), "images/003.png: not an image"),
    "mask of another size": (lambda root: Image.new("L", (5, 6)).save(root / "masks/003.png"), "the image is 32x24 px, the mask 5x6 px"),
    "missing mask": (lambda root: (root / "masks/003.png").unlink(), "images/003.png: there is no mask 003.png in masks"),
    "jpeg mask": (lambda root: Image.new("L", (32, 24)).save(root / "masks/003.png", "JPEG"), "masks/003.png: the mask is a JPEG file"),
    "two masks": (lambda root: shutil.copy(root / "masks/003.png", root / "masks/003_gt.png"), "several masks for images/003.png"),
    "two images": (lambda root: shutil.copy(root / "images/003.png", root / "images/003.jpg"), "several images of one name"),
    "tiff": (lambda root: (root / "images/new.tif").write_bytes(b"II*\0"), "images/new.tif: .tif files can't be read"),
    "value": (
        lambda root: Image.fromarray(np.full((24, 32), 9, np.uint8)).save(root / "masks/003.png"),
        "values outside the classes: 9; accepted: 0..2, and 255",
    ),
    "truncated mask": (lambda root: (root / "masks/003.png").write_bytes((root / "masks/003.png").read_bytes()[:-30]), "ends too early"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_stops_or_is_left_out_and_counted(tmp_path, fault):
    write(tmp_path, 10)
    plant, message = FAULTS[fault]
    plant(tmp_path)
    with pytest.raises(DataError) as caught:
        source(tmp_path).split("train")
    assert message in str(caught.value)
    assert "1 fault stops the training" in str(caught.value)
    assert "data.on_error: skip" in str(caught.value)
    one = source(tmp_path, on_error="skip")
    assert len(one.split("train")) + len(one.split("val")) == (10 if fault == "tiff" else 9)
    assert "images/003.png" not in both(one) or fault == "tiff"
    (left_out,) = one.report()["left_out"]
    assert message in f"{left_out['files'][0]}: {left_out['reason']}"


def test_one_corrupt_image_in_a_thousand_is_named_or_counted(tmp_path):
    write(tmp_path, 1)
    for folder in ("images", "masks"):
        for number in range(1, 1000):
            os.link(tmp_path / folder / "000.png", tmp_path / folder / f"{number:03}.png")
    (tmp_path / "images/777.png").unlink()
    (tmp_path / "images/777.png").write_bytes((tmp_path / "images/000.png").read_bytes()[:-30])

    def open_all(on_error):
        one = source(tmp_path, on_error=on_error, size_px=16, batch=4)
        pipeline = Pipeline(one, one.options, FIELDS, seed=0)
        return pipeline.num_train + pipeline.num_val, pipeline.report()["skipped"]

    with pytest.raises(DataError, match=r"^images/777\.png: .*Mend or remove the file, or set data\.on_error: skip"):
        open_all("stop")
    count, skipped = open_all("skip")
    assert count == 999
    assert skipped["train"] + skipped["val"] == ["images/777.png"]


def test_a_decompression_bomb_is_not_opened(tmp_path):
    write(tmp_path, 8)
    Image.new("1", (4000, 4000)).save(tmp_path / "images/003.png")
    with pytest.raises(
        DataError, match=r"images/003.png: 4000x4000 px are more than data.max_pixels=1000000; scale it down, or raise data.max_pixels"
    ):
        source(tmp_path, max_pixels=10**6).split("train")


def test_exif_rotation(tmp_path):
    write(tmp_path, 8)
    image, mask = picture(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = np.rot90(image)  # shown, it is turned clockwise again
    Image.fromarray(lying).save(tmp_path / "images/003.png", exif=exif)
    with pytest.raises(DataError, match=r"24x32 px, the mask 32x24 px, and the image's EXIF orientation 6 .*data.exif: apply"):
        source(tmp_path).split("train")
    example = both(source(tmp_path, exif="apply"))["images/003.png"]
    np.testing.assert_array_equal(example["image"], image)
    np.testing.assert_array_equal(example["mask"], mask)


def test_masks_in_colour_without_a_colour_map(tmp_path):
    write(tmp_path, 8, kind="colour")
    with pytest.raises(DataError, match=r"masks/\d+.png: the mask is in RGB and holds 3 colours, such as \[0, 0, 0\], .*data.colours: \{background"):
        source(tmp_path).split("train")
    for number in range(8):  # grey stored as RGB says what it means
        Image.fromarray(picture(number)[1]).convert("RGB").save(tmp_path / f"masks/{number:03}.png")
    np.testing.assert_array_equal(both(source(tmp_path))["images/005.png"]["mask"], picture(5)[1])


def test_reading_a_wrong_mask_that_was_not_sampled_fails_with_its_name(tmp_path):
    write(tmp_path, 8)
    one = source(tmp_path)
    split = one.split("train")
    victim = split.names[0].replace("images", "masks")
    Image.fromarray(np.full((24, 32), 77, np.uint8)).save(tmp_path / victim)
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"{victim}[\s\S]*outside the classes; accepted: 0..2, and 255"):
        split.read(tf.constant(0, tf.int64), FIELDS)


def test_ignored_colour_and_only_the_fields_asked_for(tmp_path):
    write(tmp_path, 8, kind="colour")
    one = source(tmp_path, colours={"background": (0, 0, 0), "road": (128, 64, 128), "ignore": (0, 128, 0)})
    example = both(one)["images/002.png"]
    expected = picture(2)[1].copy()
    expected[expected == 2] = 255
    np.testing.assert_array_equal(example["mask"], expected)
    assert set(read_all(one.split("val"), frozenset({"image"})).popitem()[1]) == {"image"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "not given; say how many classes there are"),
        ({"classes": 1}, "1 classes came; use 2..254"),
        ({"classes": ("a", "a")}, "two classes have the same name"),
        ({"classes": 2, "mask_values": {0: 0, 255: 2}}, r"255: 2 is not a class; use 0..1"),
        ({"classes": 2, "mask_values": {-1: 0}}, r"-1 is not a value of a mask"),
        ({"colours": {"a": (0, 0, 0), "b": (0, 0, 256)}}, r"b: \[0, 0, 256\] is not a colour"),
        ({"colours": {"a": (0, 0, 0), "b": (0, 0, 0)}}, "two of the 2 colours are the same"),
        ({"colours": COLOURS, "classes": 7}, "7 contradicts data.colours"),
        ({"colours": COLOURS, "mask_values": {0: 0}}, "does not go with data.colours"),
    ],
)
def test_options_that_contradict_each_other(options, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        Options(**options)


def test_paths_start_from_the_recipe(tmp_path):
    write(tmp_path / "set", 8)
    one = ImageMasks(Options(path="set", classes=3), seed=0, base=tmp_path)
    assert one.root == (tmp_path / "set").resolve()
    assert len(one.split("train")) + len(one.split("val")) == 8
