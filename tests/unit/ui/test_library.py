from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kvision.core.errors import RunError
from kvision.report import folder as folders
from kvision.ui.library import Library
from tests.unit import run_folders


def test_runs_at_any_depth_the_last_begun_first_and_bundles_apart(exported: Path) -> None:
    run_folders.make(exported / "sweep" / "trials" / "000")
    os.utime(exported / "unet" / "resolved.json", (1, 1))
    found = Library(exported).look()
    assert list(found.runs) == ["sweep/trials/000", "unet"]
    assert found.bundles == {"unet/bundle": exported / "unet" / "bundle"}  # whose source/ holds a resolved.json, too


def test_a_single_run_may_be_the_folder(tmp_path: Path) -> None:
    assert list(Library(run_folders.make(tmp_path / "unet")).look().runs) == ["unet"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    run_folders.make(tmp_path / "elsewhere" / "secret")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "runs" / "run").symlink_to(tmp_path / "elsewhere" / "secret")
    assert Library(tmp_path / "runs").look().runs == {}


def test_a_run_is_read_again_only_when_its_files_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_folders.make(tmp_path / "a", epochs=1)
    run_folders.make(tmp_path / "b")
    read: list[str] = []
    kept = folders.read
    monkeypatch.setattr(folders, "read", lambda path: (read.append(path.name), kept(path))[1])
    library = Library(tmp_path)
    library.look()
    library.look()
    assert sorted(read) == ["a", "b"]
    with (tmp_path / "a" / "metrics.csv").open("a") as file:
        file.write("2,6,0.001,0.5,0.55,0.6\n")
    assert len(library.run("a").facts.rows) == 2
    assert sorted(read) == ["a", "a", "b"]


@pytest.mark.parametrize("damage", ["{", "[]", '{"values": [1]}', '{"values": {"train": 3}}', '{"values": {"train": {"epochs": 3}, "expect": [4]}}'])
def test_a_damaged_run_is_told_of_and_hides_no_other(tmp_path: Path, damage: str) -> None:
    run_folders.make(tmp_path / "whole")
    run_folders.make(tmp_path / "damaged")
    (tmp_path / "damaged" / "resolved.json").write_text(damage)
    found = Library(tmp_path).look()
    assert (list(found.runs), list(found.unreadable)) == (["whole"], ["damaged"])
    with pytest.raises(RunError, match="damaged: can't be read: "):
        Library(tmp_path).run("damaged")


def test_a_name_that_is_none_of_the_runs(tmp_path: Path) -> None:
    run_folders.make(tmp_path / "runs" / "a")
    run_folders.make(tmp_path / "other")
    for name in ("../other", "a/../a", "/etc", "", "b", "a/"):
        with pytest.raises(RunError, match="no such run here; the list of runs has those that exist"):
            Library(tmp_path / "runs").run(name)


def test_pictures_lie_in_the_run_and_nowhere_else(tmp_path: Path) -> None:
    run_folders.make(tmp_path / "runs" / "a")
    run_folders.make(tmp_path / "runs" / "b")
    library = Library(tmp_path / "runs")
    run = library.run("a")
    assert library.picture(run, "pictures/worst-1.png") == (tmp_path / "runs/a/pictures/worst-1.png").resolve()
    (run.facts.path / "pictures" / "link.png").symlink_to(tmp_path / "runs/b/pictures/worst-1.png")
    (run.facts.path / "loop.png").symlink_to(run.facts.path / "loop.png")
    absolute = str(tmp_path / "runs/b/pictures/worst-1.png")
    for file in ("../b/pictures/worst-1.png", absolute, "pictures/link.png", "loop.png", "resolved.json", "pictures", "no.png", "", "a\0.png"):
        assert library.picture(run, file) is None


def test_names_that_no_address_can_hold_are_passed_over(tmp_path: Path) -> None:
    run_folders.make(tmp_path / "größe 猫 <b>")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff/resolved.json")).write_text(json.dumps({"values": {"system": "a/b"}}))
    assert list(Library(tmp_path).look().runs) == ["größe 猫 <b>"]
