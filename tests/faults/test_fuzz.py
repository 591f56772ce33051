"""Damaged and hostile files: every reader answers with a value or with an error that says what to do, in bounded time and memory.

Valid small files are changed by seeded chance, on the outside and within what they are wrapped in (so that no checksum stops the reader first).
`KVISION_FUZZ=5000 pytest tests/faults/test_fuzz.py` reads so many of each kind.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import pickle
import re
import resource
import signal
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kvision import catalog
from kvision.core.errors import KvisionError
from kvision.data import files, idx, records, tables
from kvision.data.environments import recorded
from kvision.data.sources import cifar, coco, npz, tfrecord, yolo
from kvision.data.text import stored, vocabulary
from kvision.engine import checkpoint, pretrained, runfolder
from kvision_edge import bundle, manifest
from kvision_edge import vocabulary as edge_vocabulary
from kvision_edge.errors import EdgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = int(os.environ.get("KVISION_FUZZ", "200"))
SECONDS = 5
"""A single file may take so long."""
MORE_BYTES = 1 << 30
"""So much more memory may be asked for than before."""
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
WORDS = [
    b"null", b"true", b"-1", b"0", b"1.5", b"1e999", b"NaN", b"[]", b"{}", b'""', b'"\\ud800"', b"9" * 30, b"9" * 5000, b"[" * 20_000,
    b'{"a":' * 20_000, b"'", b"&a [*a]", b"<<", b"!!python/object:os.system", b"\xff", b"\0", b"\xc3\xa9", b"..", b"/etc/passwd", b": ", b"\n- ",
    b"inf", b'"\\u0000"', b'"' + b"a" * 5000 + b'"',
]  # fmt: skip
"""What stands in the place of a word of a text."""
_WORD = re.compile(rb'"[^"]*"|[-+.\w]+|[^\s\w]')


@dataclass(frozen=True)
class Parser:
    """A kind of file: its name in the folder, a valid content, and what reads it there; `wrap` makes the file of the content, `text` has
    words; of a `slow` one fewer are read."""

    name: str
    content: bytes
    read: Callable[[Path], object]
    wrap: Callable[[bytes], bytes] = bytes
    text: bool = False
    slow: int = 1


def npy(values: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(values))
    return file.getvalue()


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def archived(key: str, **others: bytes) -> Callable[[bytes], bytes]:
    """As `numpy.savez` writes it."""
    return lambda content: zipped(**{f"{name}.npy": each for name, each in {**others, key: content}.items()})


def record(content: bytes) -> bytes:
    """A TFRecord with right checksums."""
    file = Path(os.environ["XDG_CACHE_HOME"]) / "one"
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(content)
    return file.read_bytes()


def example() -> bytes:
    made = {
        "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[picture("PNG")])),
        "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[1])),
        "image/filename": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"a.png"])),
    }
    return bytes(tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString())


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    image.convert("P" if kind == "GIF" else "RGB").save(file, kind, **({} if kind in ("BMP", "GIF") else {"exif": exif}))
    return file.getvalue()


TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x18%stQK\0(K\x02K\x03K\x04t"
    b"(K\x0cK\x04K\x01t\x89ccollections\nOrderedDict\n)RtR"
)
"""The pickle of a float32 tensor `[2, 3, 4]` in the storage 0."""
VALUES = np.arange(24, dtype="<f4").tobytes()


def legacy() -> bytes:
    head = b"".join(pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    return head + b"\x80\x02}X\x01\0\0\0w" + TENSOR % b"N" + b"s." + pickle.dumps(["0"], 2) + struct.pack("<q", 24) + VALUES


def torch_archive(content: bytes) -> bytes:
    return zipped(**{"m/data.pkl": content, "m/data/0": VALUES})


def checkpoint_meta(state: bytes) -> bytes:
    return json.dumps({"step": 1, "epoch": 1, "sha256": hashlib.sha256(state).hexdigest(), "bytes": len(state)}).encode()


def safetensors() -> bytes:
    from safetensors import numpy

    return bytes(numpy.save({"a/kernel": np.ones((2, 3), np.float32), "b": np.arange(3)}))


def manifest_text() -> bytes:
    tensor = manifest.Tensor((1, 8, 8, 3), "int8", (0.1,), (3,))
    file = manifest.File("a.tflite", "tflite-int8", 3, "0" * 64, {"predict": manifest.Signature({"image": tensor}, {"logits": tensor})}, "2.14")
    made = manifest.Manifest("a", "classification", (file,), manifest.Preprocess(8, "resize", (0.5,) * 3, (0.2,) * 3), ("a", "b"), (), {}, {}, {}, {})
    return made.to_json().encode()


def facts(folder: Path) -> object:
    """The checkpoint with these facts."""
    (folder / checkpoint.STATE).write_bytes(safetensors())
    return checkpoint.load(folder)


def beside(folder: Path) -> object:
    """The checkpoint with this state, whose checksum is right."""
    (folder / checkpoint.META).write_bytes(checkpoint_meta((folder / checkpoint.STATE).read_bytes()))
    return checkpoint.load(folder)


def classes(folder: Path) -> object:
    batch = {b"data": np.zeros((3, 3072), np.uint8), b"fine_labels": [0, 1, 2]}
    (folder / "test").write_bytes(pickle.dumps(batch, 2))
    if not (folder / "train").exists():
        (folder / "train").write_bytes(CIFAR)
    return cifar.Cifar(cifar.Options(path=str(folder)), seed=0, base=folder).find()


def boxed(module: Any, kind: str, **options: Any) -> Callable[[Path], object]:
    """Reads annotations, and the pictures that they name."""

    def read(folder: Path) -> object:
        (folder / "images").mkdir(exist_ok=True)
        for name in "ab":
            (folder / "images" / f"{name}.png").write_bytes(picture("PNG"))
        (folder / "labels").mkdir(exist_ok=True)
        for name, content in {"labels/a.txt": BOXES, "data.yaml": YOLO}.items() if kind == "Yolo" else ():
            if not (folder / name).exists():
                (folder / name).write_bytes(content)
        return getattr(module, kind)(module.Options(path=str(folder), **options), seed=0, base=folder).find()

    return read


def arrays(folder: Path) -> object:
    return npz.Npz(npz.Options(path="a.npz"), seed=0, base=folder).find()


def device(folder: Path) -> object:
    return edge_vocabulary.read(folder).decode([4, 5, 6])


def index(folder: Path) -> object:
    """The index of a file of ten bytes."""
    (folder / "a.tfrecord").write_bytes(bytes(10))
    found = records.index(folder / "a.tfrecord", records.Keys(*records.USUAL))
    return found.labels()


YOLO, BOXES = b"train: images\nnames: {0: cat, 1: dog}\n", b"1 0.5 0.5 0.2 0.2\n0 0 0 1 0 1 1\n"
COCO = {
    "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
    "annotations": [{"image_id": 1, "category_id": 3, "bbox": [0, 0, 2, 2.5]}, {"image_id": 2, "category_id": 4, "bbox": [1, 1, 2, 2]}],
    "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}],
}
TOKENS = {"schema": 1, "kind": "word", "lower": True, "tokens": [*vocabulary.SPECIAL, "a", "b"]}
PAIRS = {"schema": 1, "kind": "byte_pair", "lower": False, "tokens": [*vocabulary.SPECIAL, "a", "b", "ab"], "merges": [["a", "b"]]}
STEPS = {"observations": np.ones((3, 4)), "episode": [0] * 3, **{key: [0, 0, 1] for key in ("actions", "rewards", "terminated", "truncated")}}
ROWS = {key: npy(value) for key, value in STEPS.items()}
INDEX = {
    "offsets": npy([0]), "names": npy(["a"]), "orientations": npy(np.ones(1, np.int32)), "words": npy(["1"]), "lengths": npy([1]), "size": npy(10),
}  # fmt: skip
IMAGES, LABELS = npy(np.zeros((6, 5, 5), np.uint8)), npy([0, 1, 2] * 2)
IDX = struct.pack(">HBBIII", 0, 8, 3, 2, 3, 4) + bytes(24)
CIFAR = pickle.dumps({b"data": np.zeros((3, 3072), np.uint8), b"fine_labels": [0, 1, 2], b"coarse_labels": [0, 1, 1]}, 2)
PICTURES = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
RECIPE = Path(__file__).parents[2] / "recipes" / "unet.yaml"
PARSERS = {
    "recipe": Parser("a.yaml", RECIPE.read_bytes(), lambda folder: catalog.load(str(folder / "a.yaml")), text=True),
    "idx": Parser("a", IDX, lambda folder: idx.read(folder / "a")),
    "idx.gz": Parser("a", IDX, lambda folder: idx.read(folder / "a"), gzip.compress),
    "npz pictures": Parser("a.npz", IMAGES, arrays, archived("images", labels=LABELS)),
    "npz labels": Parser("a.npz", LABELS, arrays, archived("labels", images=IMAGES)),
    "episodes": Parser("a.npz", ROWS["episode"], lambda folder: recorded.read(folder / "a.npz"), archived("episode", **ROWS)),
    "observations": Parser("a.npz", ROWS["observations"], lambda folder: recorded.read(folder / "a.npz"), archived("observations", **ROWS)),
    "cifar": Parser("train", CIFAR, classes),
    "cifar names": Parser("meta", pickle.dumps({b"fine_label_names": [b"a", b"b", b"c"]}, 2), classes),
    "torch": Parser("a.pth", b"\x80\x02}X\x01\0\0\0w" + TENSOR % b"" + b"s.", lambda folder: pretrained.read(folder / "a.pth"), torch_archive),
    "torch, old": Parser("a.pth", legacy(), lambda folder: pretrained.read(folder / "a.pth")),
    "safetensors": Parser("a.safetensors", safetensors(), lambda folder: pretrained.read(folder / "a.safetensors")),
    "checkpoint": Parser(checkpoint.STATE, safetensors(), beside),
    "checkpoint facts": Parser(checkpoint.META, checkpoint_meta(safetensors()), facts, text=True),
    "run facts": Parser("data.json", b'{"preprocess": {"size_px": 3}}', lambda folder: runfolder.read_json(folder / "data.json"), text=True),
    "coco": Parser("a.json", json.dumps(COCO).encode(), boxed(coco, "Coco", annotations="a.json"), text=True),
    "yolo": Parser("data.yaml", YOLO, boxed(yolo, "Yolo"), text=True),
    "yolo boxes": Parser("labels/a.txt", BOXES, boxed(yolo, "Yolo"), text=True),
    "words": Parser("vocabulary.json", json.dumps(TOKENS).encode(), stored.read, text=True),
    "byte pairs": Parser("vocabulary.json", json.dumps(PAIRS).encode(), stored.read, text=True),
    "words on a device": Parser("vocabulary.json", json.dumps(PAIRS).encode(), device, text=True),
    "manifest": Parser("manifest.json", manifest_text(), lambda folder: bundle.Bundle(folder).choose(), text=True),
    "tfrecord": Parser("train", example(), lambda folder: tfrecord.Tfrecord(tfrecord.Options(path="."), seed=0, base=folder).find(), record, slow=4),
    "index": Parser("a.tfrecord.index.npz", INDEX["lengths"], index, archived("lengths", **INDEX), slow=4),
    "csv": Parser("a.csv", b"image,label\na.png,cat\nb.png,\"d,og\"\n", lambda folder: tables.read(folder / "a.csv"), text=True),
    "jsonl": Parser("a.jsonl", b'{"image": "a.png", "label": 1}\n' * 2, lambda folder: tables.read(folder / "a.jsonl"), text=True),
    **{kind: Parser("a", picture(kind), lambda folder: files.header(folder / "a", "a", 64_000_000)) for kind in PICTURES},
}  # fmt: skip


class SlowError(BaseException):
    """No `except Exception` takes it for a damaged file."""


def changed(content: bytes, rng: np.random.Generator, *, text: bool = False) -> bytes:
    """One to three changes: bits, bytes, numbers, a piece that is cut out, doubled or cut off; of a text also words."""
    for _ in range(rng.integers(1, 4)):
        at, length = (int(each) for each in rng.integers(0, (len(content) + 1, 16)))
        places = [found.span() for found in _WORD.finditer(content)] if text else []
        match int(rng.integers(0, 10 if places else 6)):
            case 0:
                content = content[:at]
            case 1:
                content = content[:at] + content[at + length :]
            case 2:
                content = content[:at] + content[at : at + length] * 2 + content[at + length :]
            case 3:
                content = content[:at] + rng.bytes(length) + content[at + length :]
            case 4 if not text:
                size = int(2 ** rng.integers(0, 4))
                number = NUMBERS[rng.integers(len(NUMBERS))] % 256**size
                content = content[:at] + number.to_bytes(size, "little" if rng.integers(2) else "big") + content[at + size :]
            case 4 | 5:
                content = content[:at] + bytes(byte ^ 1 << int(rng.integers(8)) for byte in content[at : at + 1]) + content[at + 1 :]
            case _:
                start, end = places[rng.integers(len(places))]
                content = content[:start] + WORDS[rng.integers(len(WORDS))] + content[end:]
    return content


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Memory that the process may take beyond what it has, and a clock that ends what takes too long."""

    def late(*_: object) -> None:
        raise SlowError

    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before, alarm = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MORE_BYTES, before[1]))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_files_are_refused_in_words(name: str, tmp_path: Path) -> None:
    parser, rng = PARSERS[name], np.random.default_rng(zlib.crc32(name.encode()))
    folder = tmp_path / "folder"
    (folder / parser.name).parent.mkdir(parents=True)
    (folder / parser.name).write_bytes(parser.wrap(parser.content))
    parser.read(folder)  # as it is, it can be read
    refused, faults = 0, []
    with bounded():
        for number in range(EXAMPLES // parser.slow):
            inside = number % 4
            given = parser.wrap(changed(parser.content, rng, text=parser.text)) if inside else changed(parser.wrap(parser.content), rng)
            (folder / parser.name).write_bytes(given)
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                parser.read(folder)
            except (KvisionError, EdgeError) as error:
                refused += len(str(error)) > 20
            except (Exception, SlowError) as error:
                faults.append(f"{number}: {type(error).__name__}: {str(error)[:100]} {given[:60]!r}")
            signal.setitimer(signal.ITIMER_REAL, 0)
    assert faults[:12] == [], f"{len(faults)} of {EXAMPLES // parser.slow}"
    if name not in PICTURES:  # their faults are told, not raised
        assert refused > EXAMPLES // parser.slow // 2
