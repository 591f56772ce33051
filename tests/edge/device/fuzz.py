"""Mutates bundles and pictures, and predicts with them in a process that may fall: `python tests/edge/device/fuzz.py BUNDLES FIRST LAST`.

Mutation N is always the same one. Of twenty, thirteen change bytes of a model file (its sha256 in the manifest is made to fit, as an attacker would),
three the manifest, one the sample, three a picture. The process says which it begins; `run` starts another behind one that crashes or hangs.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import selectors
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TASKS = ("segmentation", "classification", "captioning", "policy")
FORMS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
VALUES = (None, -1, 0, 2**70, 1.5, "", "x", "../x", [], {}, True, [1, "a"], {"a": None})
HANGS_S = 30


@dataclass
class Report:
    """What became of the mutations: how many were refused with a message, how many ran, and the numbers of those that did neither."""

    refused: int = 0
    ran: int = 0
    crashed: list[str] = field(default_factory=list)
    hung: list[int] = field(default_factory=list)


def run(bundles: Path, first: int, last: int, python: str = sys.executable) -> Report:
    """Feeds mutations `first` to `last` to processes of `python`, which must find `kvision_edge`."""
    report = Report()
    while first < last:
        with tempfile.TemporaryFile("w+") as told:
            command = [python, "-X", "faulthandler", __file__, str(bundles), str(first), str(last)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told) as child:
                number, hung = _watched(child, first, report)
            told.seek(0)
            if hung:
                report.hung.append(number)
            elif child.returncode:
                report.crashed.append(f"mutation {number}, exit {child.returncode}: {told.read()[-2000:]}")
        first = number + 1
    return report


def _watched(child: subprocess.Popen[bytes], number: int, report: Report) -> tuple[int, bool]:
    """Reads what the child says: the last mutation it began, and whether it hangs, in which case it is ended."""
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        rest = b""
        while selector.select(HANGS_S):
            said = os.read(child.stdout.fileno(), 1 << 16)
            if not said:
                child.wait()
                return number, False
            *lines, rest = (rest + said).split(b"\n")
            for line in lines:
                word, _, value = line.partition(b" ")
                number = int(value)
                report.refused += word == b"refused"
                report.ran += word == b"ran"
    child.kill()
    return number, True


def mutation(original: Path, folder: Path, number: int) -> tuple[str, Any]:
    """Writes mutation `number` of a bundle; the format that is to be run, and the picture, or the arrays, to run it on."""
    random = np.random.default_rng([number, 20])
    for path in original.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    values = json.loads((folder / "manifest.json").read_text())
    entry = values["files"][int(random.integers(len(values["files"])))]
    given: Any = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    kind = number % 20
    if kind < 13:
        content = _changed((folder / entry["path"]).read_bytes(), random)
        (folder / entry["path"]).write_bytes(content)
        entry["sha256"] = hashlib.sha256(content).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(values))
    elif kind < 15:
        places = _places(values)
        parent, key = places[int(random.integers(len(places)))]
        parent[key] = VALUES[int(random.integers(len(VALUES)))]
        (folder / "manifest.json").write_text(json.dumps(values))
    elif kind < 17:
        path = folder / ("manifest.json" if kind == 15 else values["sample_input"])
        path.write_bytes(_changed(path.read_bytes(), random))
    else:
        file = io.BytesIO()
        Image.fromarray(given).save(file, FORMS[int(random.integers(len(FORMS)))])
        given = _changed(file.getvalue(), random)
    return entry["format"], given if original.name != "policy" else {"observation": np.zeros(4, np.float32)}


def _changed(content: bytes, random: np.random.Generator) -> bytes:
    """One to three bytes are others, or the end is missing."""
    changed = bytearray(content)
    for place in random.integers(0, len(changed), random.integers(1, 4)):
        changed[place] = random.integers(0, 256)
    return bytes(changed[: random.integers(len(changed))] if random.random() < 0.05 else changed)


def _places(values: Any) -> list[tuple[Any, Any]]:
    """Every place of a JSON document."""
    pairs = list(values.items() if isinstance(values, dict) else enumerate(values)) if isinstance(values, (dict, list)) else []
    return [place for key, each in pairs for place in [(values, key), *_places(each)]]


def main(bundles: Path, first: int, last: int) -> None:
    """Says on the standard output which mutation begins, and what became of it."""
    from kvision_edge import verification
    from kvision_edge.bundle import Bundle
    from kvision_edge.errors import EdgeError
    from kvision_edge.model import Model

    for number in range(first, last):
        print("begun", number, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            form, given = mutation(bundles / TASKS[number // 20 % len(TASKS)], Path(folder), number)
            try:
                Model(folder, format=form).predict(given).to_json()
                if 13 <= number % 20 < 17:
                    list(verification.verify(Bundle(folder)))
                print("ran", number, flush=True)
            except EdgeError:
                print("refused", number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
