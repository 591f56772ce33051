"""The mistakes that people make in their first week: what docs/mistakes.md tells of each, and how its working folder is filled."""

from __future__ import annotations

import re
import shutil
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tests.unit.data import class_folders, folders

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[2] / "docs" / "mistakes.md"
MASKS = """system: segmentation/unet
model: {width: 4, depth: 1}
data: {source: image_masks, path: set, classes: 3, size_px: 16, batch: 2}
optim: {lr: 1e-3}
train: {epochs: 1}
"""
PETS = """system: classification/mlp
model: {}
data: {source: image_folder, path: pets, size_px: 16, batch: 2}
train: {epochs: 1}
"""
LISTED = PETS.replace("image_folder, path: pets", "image_list, path: pets, list: labels.csv")
_ROW = re.compile(r"\| (.+?) \| (.*?) \| (.+?) \| (\d+) \|")


@dataclass(frozen=True)
class Mistake:
    """A row of the page.

    Attributes:
        what: In words.
        line: What is typed after `kvision`; nothing: it takes more than a line.
        said: The answer, in which `…` stands for what is left out.
        code: The exit code.
    """

    what: str
    line: str
    said: str
    code: int

    @property
    def needs_run(self) -> bool:
        """Whether there is a run in the working folder."""
        return "run" in re.split(r"[ /]", self.line)


def rows() -> list[Mistake]:
    """The rows of the page's tables."""
    found = [_ROW.fullmatch(line) for line in PAGE.read_text(encoding="utf-8").splitlines()]
    return [Mistake(row[1], row[2].strip("` "), row[3].strip("` "), int(row[4])) for row in found if row]


def write(text: str, file: str = "my.yaml") -> None:
    Path(file).write_text(text, encoding="utf-8")


def masks(count: int = 8, *, suffix: str = ".png", kind: str = "grey") -> None:
    """`my.yaml` and a folder `set` of images and masks of three classes."""
    folders.write(Path("set"), count, suffix=suffix, kind=kind)
    write(MASKS)


def pets(*names: str, recipe: str = PETS, rows: str = "") -> None:
    """`my.yaml` and a folder `pets` with a folder for each class, and perhaps a list."""
    class_folders.write(Path("pets"), 6, names=names or tuple(class_folders.COLOURS))
    write(recipe)
    if rows:
        write(rows, "pets/labels.csv")


def first(change: Callable[[Path], None]) -> Callable[[], None]:
    """Masks, of which the first image is changed."""

    def make() -> None:
        masks()
        change(Path("set/images/000.png"))

    return make


def each_mask(change: Callable[[Path], None]) -> Callable[[], None]:
    """Masks that are all changed."""

    def make() -> None:
        masks()
        for file in sorted(Path("set/masks").iterdir()):
            change(file)

    return make


def saved(suffix: str, mode: str = "RGB", **options: object) -> Callable[[Path], None]:
    """Saves a picture as another kind of file."""

    def change(file: Path) -> None:
        picture = Image.open(file).convert(mode)
        file.unlink()
        picture.save(file.with_suffix(suffix), **options)

    return change


def replaced(suffix: str, data: bytes) -> Callable[[Path], None]:
    """Puts other bytes in the place of a picture."""

    def change(file: Path) -> None:
        file.unlink()
        file.with_suffix(suffix).write_bytes(data)

    return change


def of_size(width: int, height: int) -> Callable[[Path], None]:
    """Gives an image and its mask another size."""

    def change(file: Path) -> None:
        for each in (file, Path("set/masks") / file.name):
            Image.open(each).resize((width, height), Image.Resampling.NEAREST).save(each)

    return change


def claims_60_000_px(file: Path) -> None:
    """A PNG whose header tells of 3.6 thousand million pixels."""
    data = file.read_bytes()
    body = b"IHDR" + struct.pack(">II", 60_000, 60_000) + data[24:29]
    file.write_bytes(data[:12] + body + struct.pack(">I", zlib.crc32(body)) + data[33:])


def folder_in_its_place(file: Path) -> None:
    file.unlink()
    file.mkdir()


def black_and_white(file: Path) -> None:
    Image.fromarray((np.asarray(Image.open(file)) > 0).astype(np.uint8) * 255).save(file)


def labels(names: tuple[str, ...], head: str = "file,label\n", count: int = 6) -> str:
    return head + "".join(f"{name}/{number:03}.png,{name}\n" for name in names for number in range(count))


def clear(folder: str) -> None:
    shutil.rmtree(folder)
    Path(folder).mkdir()


def move(folder: str, to: str) -> None:
    Path(to).parent.mkdir(parents=True)
    Path(folder).rename(to)


def turned() -> Image.Exif:
    """A tag that says that the picture is to be turned."""
    tags = Image.Exif()
    tags[0x0112] = 6
    return tags


FILLED: dict[str, Callable[[], object]] = {
    "A tab": lambda: write("system: segmentation/unet\ndata:\n\tsource: scenes\n"),
    "PowerShell's `>` made the file": lambda: Path("my.yaml").write_text(MASKS, encoding="utf-16"),
    "A byte order mark, and Windows' ends of lines": lambda: Path("my.yaml").write_bytes(b"\xef\xbb\xbf" + MASKS.replace("\n", "\r\n").encode()),
    "No space behind a colon": lambda: write("system: segmentation/unet\ndata: {source:scenes}\n"),
    "Quotes around numbers": lambda: write(MASKS.replace("1e-3", "'1e-3'")),
    "A word for a number": lambda: write(MASKS.replace("epochs: 1", "epochs: three")),
    "A system's name is misspelt": lambda: write(MASKS.replace("unet", "unett")),
    "A recipe of a newer version": lambda: write(MASKS + "phases: {first: 2}\n"),
    "An extra that is not installed": pets,
    "An archive in place of a folder": lambda: (masks(), write("PK", "set.zip")),
    "Masks of 0 and 255": each_mask(black_and_white),
    "Masks in colours": lambda: masks(kind="colour"),
    "Masks as JPEG": each_mask(saved(".jpg", "L")),
    "A mask is missing": first(lambda file: (Path("set/masks") / file.name).unlink()),
    "An image and its mask differ in size": first(lambda file: Image.open(file).resize((9, 9)).save(file)),
    "A folder without images": lambda: masks(0),
    "One image": lambda: masks(1),
    "Pictures that are not sorted into classes": pets,
    "One class": lambda: pets("cat"),
    "The classes one folder deeper": lambda: (pets(), move("pets", "zoo/pets")),
    "A list without its header": lambda: pets(recipe=LISTED, rows=labels(("cat", "dog", "eel"), head="")),
    "A label that is no class": lambda: pets(recipe=LISTED, rows=labels(("cat", "dog", "eel"))),
    "A list with files that are not there": lambda: pets(recipe=LISTED, rows=labels(("cat", "dog", "eel"), count=9)),
    "An empty file": first(replaced(".png", b"")),
    "A text named .jpg": first(replaced(".jpg", b"hello")),
    "A folder named .png": first(folder_in_its_place),
    "HEIC, from a telephone": first(replaced(".heic", b"\0\0\0\x18ftypheic")),
    "AVIF": first(saved(".avif")),
    "12 channels in a TIFF": first(replaced(".tif", b"II*\0" + bytes(60))),
    "A bomb: a small file of 60,000 x 60,000 px": first(claims_60_000_px),
    "16 bits a channel": first(lambda file: Image.fromarray(np.full((24, 32), 40_000, np.uint16)).save(file)),
    "One channel": first(saved(".png", "L")),
    "A transparent picture": first(saved(".png", "RGBA")),
    "CMYK": first(saved(".jpg", "CMYK")),
    "A palette": first(saved(".png", "P")),
    "WebP": first(saved(".webp")),
    "Endings in capitals": lambda: masks(suffix=".PNG"),
    "A picture of 1 x 1 px": first(of_size(1, 1)),
    "A picture of 7 x 5 px": first(of_size(7, 5)),
    "A camera that turns pictures by a tag": first(saved(".jpg", exif=turned())),
    "A run whose checkpoints were deleted": lambda: clear("run/checkpoints"),
    "A run that was moved": lambda: move("run", "moved/run"),
}
"""What is in the working folder, where it is not `masks`."""
MADE = {
    "A learning rate far too large": "test_a_rate_far_too_large",
    "Ctrl-C while TensorFlow is loaded or the data is read": "test_ctrl_c_before_the_first_step",
    "Ctrl-C in training or validation": "test_a_day_of_a_training",
    "Ctrl-C in an export": "test_ctrl_c_in_an_export",
    "The terminal is closed": "test_a_day_of_a_training",
    "The laptop is put to sleep": "test_a_day_of_a_training",
    "A second training into the same folder": "test_a_day_of_a_training",
    "An export of a run that still trains": "test_a_day_of_a_training",
    "A power cut, `kill -9`": "test_killed_and_resumed_gives_the_same_bits",
    "The disk is full": "test_a_full_disk",
    "The run's folder is on a read-only disk": "test_a_read_only_folder",
    "Spaces and letters that are not Latin in paths": "test_any_path",
}
"""The tests of what takes more than a line."""
