"""`kvision data check`: what is printed, and when it fails."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from kvision.commands import data
from kvision.core.errors import DataError
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
