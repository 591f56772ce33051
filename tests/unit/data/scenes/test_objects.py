from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from kvision.core.errors import DataError
from kvision.data.scenes import objects


@pytest.fixture
def _forget():
    """Forgets the stamps that were found, before and after a test that says where they lie."""
    objects._stamp_files.cache_clear()
    objects.library.cache_clear()
    yield
    objects._stamp_files.cache_clear()
    objects.library.cache_clear()


def test_members_part_the_images_of_a_class():
    train, val = objects.members(178, 3, "train"), objects.members(178, 3, "val")
    assert sorted(train + val) == list(range(178))
    assert len(val) == round(0.2 * 178)
    assert objects.members(178, 3, "val") == val != objects.members(178, 4, "val")
    assert [len(objects.members(2, 1, split)) for split in ("train", "val")] == [1, 1]


def test_every_digit_is_used_in_one_split_only():
    train, val = objects.library("digits", "train"), objects.library("digits", "val")
    fields = [[item.field.tobytes() for items in library.items for item in items] for library in (train, val)]
    assert len(fields[0]) + len(fields[1]) == 1797
    assert not set(fields[0]) & set(fields[1])
    digits = load_digits().target
    for digit in range(10):
        assert len(train.items[digit]) + len(val.items[digit]) == np.count_nonzero(digits == digit)
        assert {item.label for item in train.items[digit]} == {digit + 1}
    assert objects.class_names("digits") == ("background", *(f"digit {digit}" for digit in range(10)))


def test_an_enlarged_digit_is_the_digit():
    data = load_digits()
    member = objects.members(np.count_nonzero(data.target == 3), 4, "val")[0]
    original = data.images[np.flatnonzero(data.target == 3)[member]]
    field = objects.library("digits", "val").items[3][0].field
    assert field.size == (objects.FIELD_PX, objects.FIELD_PX)
    shrunk = np.asarray(field.resize((12, 12), Image.Resampling.BOX), np.float64)[2:10, 2:10]
    assert np.corrcoef(shrunk.ravel(), original.ravel())[0, 1] > 0.9


def test_shapes_look_like_their_names():
    library = objects.library("shapes", "train")
    assert objects.class_names("shapes")[1:] == tuple(items[0].noun for items in library.items)
    inside = {items[0].noun: np.mean([np.asarray(item.field) >= 128 for item in items], axis=0) for items in library.items}
    middle = objects.FIELD_PX // 2
    assert inside["ring"][middle, middle] == 0
    assert inside["circle"][middle, middle] == 1
    assert 0.7 * 3.14 / 9 < inside["circle"].mean() < 1.3 * 3.14 / 9  # radius 1 of a field that is 3 wide
    top, bottom = inside["triangle"][:middle].sum(), inside["triangle"][middle:].sum()
    assert bottom > 1.2 * top


def make_stamps(root, names):
    for name, text in names.items():
        file = root / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        stamp = Image.new("RGBA", (40, 20))
        stamp.paste((200, 30, 30, 255), (10, 5, 30, 15))
        stamp.save(file)
        if text is not None:
            file.with_suffix(".txt").write_text(f"{text}\nde.utf8=Etwas", encoding="utf-8")


@pytest.mark.usefixtures("_forget")
def test_stamps_are_read_with_their_descriptions(tmp_path, monkeypatch):
    make_stamps(
        tmp_path,
        {
            "animals/a/otter": "An otter.",
            "animals/b/kangaroo": "A red kangaroo.",
            "food/pie": "Pie (“pastry”)!",
            "food/cake-slice": "A piece of a cake that is long.",
        },
    )
    make_stamps(tmp_path, {"food/pie_mirror": None, "lonely/one": "One."})
    monkeypatch.setattr(objects, "STAMPS", tmp_path)
    assert objects.class_names("stamps") == ("background", "animals", "food")
    items = [item for split in ("train", "val") for kind in objects.library("stamps", split).items for item in kind]
    assert {item.noun for item in items} == {"otter", "red kangaroo", "pie pastry", "cake slice"}
    assert set(objects.nouns("stamps")) == {item.noun for item in items}
    assert objects.class_names("stamps", ("food",)) == ("background", "food")
    (both,) = objects.library("stamps", None, ("food",)).items
    assert {item.noun for item in both} == set(objects.nouns("stamps", ("food",))) == {"pie pastry", "cake slice"}
    with pytest.raises(DataError, match=r"data.folders: toys: no such folder .* there are animals, food"):
        objects.class_names("stamps", ("toys",))
    for item in items:
        assert item.field.size == item.picture.size == (objects.FIELD_PX, objects.FIELD_PX)
        cover = np.asarray(item.field) >= 128
        assert np.flatnonzero(cover.any(axis=0)).size == pytest.approx(92, abs=3)  # cropped to what is seen, then enlarged
        assert np.asarray(item.picture)[cover].mean(axis=0) == pytest.approx([200, 30, 30], abs=12)


@pytest.mark.usefixtures("_forget")
def test_stamps_that_are_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "STAMPS", tmp_path)
    with pytest.raises(DataError, match="apt-get install tuxpaint-stamps-default"):
        objects.class_names("stamps")
