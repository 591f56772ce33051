from __future__ import annotations

import io
import re
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import kvision_edge
from kvision.ui import answer
from kvision_edge.postprocess.classification import Classification
from tests.edge import tiny
from tests.unit.ui.site import Site

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, `segmentation`; not to be written to."""
    root = tmp_path_factory.mktemp("runs")
    file = tiny.converted({"predict": tiny.segmenter()}, "float32", tmp_path_factory.mktemp("work"))
    tiny.write(root / "segmentation", {"tflite-fp32": file}, "segmentation", tiny.LABELS, {"output": "logits", "activation": "softmax"})
    return root


def encoded(width: int = 40, height: int = 30, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of some bytes that says it is of any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_the_answer_is_that_of_the_runtime_for_devices(runs: Path) -> None:
    content = encoded()
    found = answer.answer(runs / "segmentation", "tflite-fp32", content)
    expected = kvision_edge.load(runs / "segmentation", format="tflite-fp32").predict(content)
    assert {label: share for label, share, _ in found.shares} == expected.shares
    assert [share for _, share, _ in found.shares] == sorted(expected.shares.values(), reverse=True)
    colours = {"background": "rgb(0, 0, 0)", "red": "rgb(255, 38, 38)", "green": "rgb(77, 191, 94)", "blue": "rgb(77, 110, 191)"}
    assert {label: colour for label, _, colour in found.shares}.items() <= colours.items()
    assert (found.size, set(found.drawn)) == ((40, 30), {"mask", "overlay"})
    assert found.drawn["mask"].startswith("data:image/png;base64,")


def test_labels_with_their_probabilities() -> None:
    given, about = Classification((2, 0), ("cat", "dog"), (0.75, 0.25)), tiny.described("classification", {})
    assert answer._shares(given.to_json(), about) == (("cat", 0.75, ""), ("dog", 0.25, ""))
    assert answer._shares({"task": "captioning", "caption": "a cat"}, about) == ()


def test_a_picture_is_sent_and_its_answer_is_html(runs: Path) -> None:
    site = Site(runs)
    assert 'data-bundle="segmentation" data-format="tflite-fp32"' in site.get("/try").text
    found = site.post("/answer?bundle=segmentation&format=tflite-fp32", content=encoded(kind="JPEG"), headers={"origin": "http://127.0.0.1"})
    assert found.status_code == 200
    assert found.text.count('src="data:image/') == 3
    assert "<meter value=" in found.text


@pytest.mark.parametrize(
    ("query", "content", "message"),
    [
        ("bundle=segmentation&format=tflite-fp32", b"", "no file came; choose a picture, or drop one into the box"),
        (
            "bundle=segmentation&format=tflite-fp32",
            b"no picture",
            "a file of 10 bytes that is no picture which can be read; accepted are JPEG, PNG, BMP",
        ),
        ("bundle=segmentation&format=tflite-fp32", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture which can be read"),
        ("bundle=segmentation&format=tflite-fp32", encoded()[:200], "can't be read|is no picture"),
        ("bundle=segmentation&format=tflite-fp32", bomb(9000, 8000), "has 9000 x 8000 pixels; accepted are .* of at most 64 million pixels"),
        ("bundle=segmentation&format=tflite-fp32", bomb(60000, 60000), "far too large .*3600000000 pixels.*; accepted are"),
        ("bundle=segmentation&format=<b>", encoded(), "has no <b> for a device; it holds tflite-fp32"),
        ("bundle=../segmentation", encoded(), r"\.\./segmentation: there is no such bundle here"),
        ("", encoded(), "no bundle: there is no such bundle here"),
    ],
)
def test_what_can_not_be_answered_says_why_as_plain_text(runs: Path, query: str, content: bytes, message: str) -> None:
    found = Site(runs).post(f"/answer?{query}", content=content)
    assert found.status_code == (404 if "no such bundle" in message else 400)
    assert found.headers["content-type"].startswith("text/plain")
    assert re.search(message, found.text)


def test_a_file_is_read_no_further_than_accepted(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "MOST_BYTES", 1 << 20)
    found = Site(runs).post("/answer?bundle=segmentation", content=b"x" * ((1 << 20) + 1))
    assert (found.status_code, found.text) == (400, "the file has more than 1 MiB, which is the most that is read; shrink the picture first")
