"""`kvision client`: what it writes and prints, and what it says when pictures are not answered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kvision.commands import client
from kvision.core.errors import DataError, RunError, UsageError
from tests.export.serving.scripted import Script


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for name, width in (("a.png", 4), ("b.jpg", 6), ("more/a.png", 9)):
        Image.new("RGB", (width, 3), (9, 8, 7)).save(folder / name)
    return folder


def test_answers_and_pictures_are_written(script: Script, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client.run(script.url, [str(pictures)], model="unet", out=tmp_path / "out", chunk=2)
    written = json.loads((tmp_path / "out/answers.json").read_text())
    assert (written["server"], written["version"], written["signature"]) == (f"{script.url}/v1/models/unet", "3", "serving_default")
    assert [entry["file"] for entry in written["images"]] == [str(pictures / name) for name in ("a.png", "b.jpg", "more/a.png")]
    assert [entry["mask_bytes"] for entry in written["images"]] == ["a.mask.png", "b.mask.png", "a-2.mask.png"]
    assert written["images"][0]["class_shares"] == [0.25, 0.75]
    assert np.asarray(Image.open(tmp_path / "out/a-2.mask.png")).shape == (3, 9)
    assert capsys.readouterr().out == f"3 pictures answered: {tmp_path / 'out'}\n"
    assert script.sizes == [2, 1]


def test_json_lines(script: Script, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client.run(f"{script.url}/v1/models/unet", [str(pictures / "*.png")], out=tmp_path / "out", json_lines=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == json.loads((tmp_path / "out/answers.json").read_text())["images"][0]


def test_pictures_that_are_not_answered_are_named_at_the_end(script: Script, pictures: Path, tmp_path: Path) -> None:
    (pictures / "c.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1 of 4 pictures were not answered, the others are done; .*answers.json names them:\n  .*c.png: the server"):
        client.run(script.url, [str(pictures)], model="unet", out=tmp_path / "out")
    assert [("error" in entry) for entry in json.loads((tmp_path / "out/answers.json").read_text())["images"]] == [False, False, True, False]
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


def test_folders_are_numbered_and_nothing_is_overwritten(
    script: Script, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        client.run(script.url, [str(pictures / "a.png")], model="unet")
        assert capsys.readouterr().out == f"1 picture answered: answers/{number}\n"
    with pytest.raises(RunError, match="--out answers/1: holds files, which are not overwritten"):
        client.run(script.url, [str(pictures / "a.png")], model="unet", out="answers/1")


def test_mistakes_are_found_before_anything_is_written(script: Script, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="no such file or folder"):
        client.run(script.url, [str(pictures / "nope.png")], model="unet", out=out)
    with pytest.raises(UsageError, match="--grpc with http://host: give grpc://HOST:8500"):
        client.run("http://host", [str(pictures)], model="unet", grpc=True, out=out)
    with pytest.raises(UsageError, match="names no model"):
        client.run(script.url, [str(pictures)], out=out)
    assert not out.exists()
    assert script.sizes == []
