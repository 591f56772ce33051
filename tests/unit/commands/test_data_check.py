"""`kvision data check`: what is printed, and when it fails."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from kvision.commands import data
from kvision.core.errors import DataError
from tests.unit.data.captioned_pictures import beside
from tests.unit.data.folders import picture, write

RECIPE = """\
system: segmentation/unet
data: {source: image_masks, path: set, classes: 2, val_split: 0.5}
"""


@pytest.fixture
def recipe(tmp_path):
    """A recipe beside its data, whose masks hold 0 and 255."""
    write(tmp_path / "set", 12)
    for number in range(12):
        Image.fromarray((picture(number)[1] > 0).astype(np.uint8) * 255).save(tmp_path / f"set/masks/{number:03}.png")
    file = tmp_path / "my.yaml"
    file.write_text(RECIPE)
    return str(file)


def test_faults_are_named_with_their_fix_and_fail(recipe, capsys):
    with pytest.raises(DataError, match="12 faults of 1 kind ") as caught:
        data.check(recipe, [])
    assert caught.value.exit_code == 1
    out = capsys.readouterr().out
    assert out.startswith("error: mask-0-255: 12 x: masks/0")
    assert "and 4 more" in out
    assert "add one line under data:  mask_values: {0: 0, 255: 1}" in out


def test_the_one_line_fix_works(recipe, capsys):
    data.check(recipe, ["data.mask_values={0: 0, 255: 1}"])
    assert capsys.readouterr().out == "image_masks: no faults\n"


def test_json(recipe, capsys):
    with pytest.raises(DataError):
        data.check(recipe, [], json_lines=True)
    (line,) = capsys.readouterr().out.splitlines()
    finding = json.loads(line)
    assert (finding["kind"], finding["severity"], finding["count"], len(finding["files"])) == ("mask-0-255", "error", 12, 12)


def test_scenes_are_clean(capsys):
    data.check("unet", ["data.train_size=30", "data.val_size=30", "data.size_px=48"])
    assert capsys.readouterr().out == "scenes: no faults\n"


@pytest.fixture
def captions(tmp_path):
    """A recipe beside a folder of pictures with captions; its system is never made."""
    beside(tmp_path / "set", range(12), 3)
    file = tmp_path / "my.yaml"
    file.write_text("system: segmentation/unet\ndata: {source: caption_folder, path: set, val_size: 4}\n")
    return file


def test_captions_are_told_with_their_vocabulary(captions, capsys):
    data.check(str(captions), ["data.min_count=2"])
    out = capsys.readouterr().out
    assert out.startswith("warning: unknown-pieces: 2 x: texts of train, texts of val\n    ")
    assert "are not in the vocabulary: " in out
    assert "; lower data.min_count, or set data.pieces to byte_pair or character\nvocabulary: " in out
    told = out[out.index("\nvocabulary: ") + 1 :].splitlines()
    assert told[0].endswith(" words, four special ones among them")
    assert told[1].startswith("train: 24 texts of ")
    assert told[2].startswith("val: 12 texts of ")
    assert told[2].endswith(" % of the pieces are in the vocabulary")
    assert told[3].startswith("most frequent in train: a ")
    assert told[4] == "caption_folder: no errors, 1 kind of warnings"


def test_captions_that_are_cut_or_alone_and_pictures_without_are_counted(captions, capsys):
    folder = captions.parent / "set"
    (folder / "03.txt").unlink()
    (folder / "04.txt").write_text("one ring")
    (folder / "05.png").write_bytes((folder / "06.png").read_bytes()[:-40])
    with pytest.raises(DataError, match="1 fault of 1 kind that would spoil"):
        data.check(str(captions), ["data.max_length=5"], json_lines=True)
    found = {each["kind"]: each for each in map(json.loads, capsys.readouterr().out.splitlines())}
    assert {kind: (each["severity"], each["count"]) for kind, each in found.items() if kind != "unknown-pieces"} == {
        "truncated": ("error", 1),
        "no-caption": ("warning", 1),
        "one-reference": ("warning", 1),
        "cut-text": ("warning", 2),
    }
    assert found["cut-text"]["message"].endswith("; raise data.max_length to keep them whole")
    assert re.match(r"\d+ of \d+ texts are longer than 5 pieces and are cut, the longest has \d+; ", found["cut-text"]["message"])


def test_the_page_of_captions(captions, tmp_path):
    from kvision.data import show
    from kvision.data.pipeline import Pipeline
    from kvision.data.sources.caption_folder import CaptionFolder

    (captions.parent / "set/04.txt").write_text("one ring")
    source = CaptionFolder(CaptionFolder.Options(path=str(captions.parent / "set"), size_px=32, batch=4), seed=0, base=tmp_path)
    found = show.overview(Pipeline(source, source.options, frozenset({"tokens", "captions"}), 0), 12)
    shown = {example.name: example.captions for examples in found.examples.values() for example in examples}
    assert shown["04.png"] == ("one ring",)
    assert {len(each) for name, each in shown.items() if name != "04.png"} == {3}
    facts = dict(found.facts)
    assert "classes" not in facts
    assert facts["vocabulary"] == str(source.info.texts.vocabulary.size)
