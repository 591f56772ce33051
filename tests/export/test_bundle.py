from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from kvision.core.errors import RunError
from kvision_export import bundle

DEAD = 2**22 + 1
"""No process has this number: it is above the kernel's highest."""
FILES = ("a.tflite", "sample/a.npz", "manifest.json", "z.txt")
GONE = ("gone.tflite", "never.tflite", "../mine.txt")


def test_a_folder_of_something_else_is_not_mixed_with_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match=r"holds files that are no bundle.*give a new folder"):
        bundle.check(tmp_path)
    with pytest.raises(RunError, match="is a file"):
        bundle.check(tmp_path / "thesis.tex")
    assert bundle.check(tmp_path / "new") is None


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"schema": 1, "name"')
    with pytest.raises(RunError, match=r"manifest.json: is damaged .* or give a new folder"):
        bundle.check(tmp_path)


def test_what_an_interrupted_export_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "saved_model").mkdir()
    assert bundle.check(tmp_path) is None, "published before the manifest"
    (tmp_path / "unet-fp32.tflite").touch()
    with pytest.raises(RunError, match="holds files that are no bundle"):
        bundle.check(tmp_path)
    (tmp_path / f".staging-{DEAD}").mkdir()
    assert bundle.check(tmp_path) is None, "killed"


def test_staging_goes_away_whatever_happens(tmp_path: Path) -> None:
    out = tmp_path / "bundle"

    def interrupted() -> None:
        with bundle.staging(out) as folder:
            (folder / "half.tflite").write_bytes(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not out.exists()


def test_what_a_killed_export_left_is_removed(tmp_path: Path) -> None:
    dead = tmp_path / f".staging-{DEAD}"
    dead.mkdir()
    with bundle.staging(tmp_path):
        assert not dead.exists()


def test_two_exports_do_not_write_one_bundle(tmp_path: Path) -> None:
    alive = tmp_path / f".staging-{os.getppid()}"
    alive.mkdir()
    with pytest.raises(RunError, match=f"another export, process {os.getppid()}, is writing this bundle; wait"), bundle.staging(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == [alive]


def test_a_finished_tree_is_put_in_place_with_the_manifest_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staged, out = _trees(tmp_path)
    moved = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: moved.append(self.name) or replace(self, target))
    bundle.place(staged, out, GONE)
    assert _texts(out) == dict.fromkeys(FILES, "new")
    assert moved[-1] == "manifest.json"
    assert (tmp_path / "mine.txt").exists(), "a manifest that names files elsewhere removes none of them"


@pytest.mark.parametrize("renames", range(len(FILES) + 1))
def test_a_kill_amidst_the_renames_is_made_good_by_the_next_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int) -> None:
    staged, out = _trees(tmp_path)
    replace, unlink, left = Path.replace, Path.unlink, iter(range(renames))

    def killed(self: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return replace(self, target)

    def never(self: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    monkeypatch.setattr(Path, "unlink", never)
    with pytest.raises(KeyboardInterrupt):
        bundle.place(staged, out, GONE)
    assert _texts(out) != dict.fromkeys(FILES, "new")
    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(Path, "unlink", unlink)
    with bundle.staging(out):
        assert _texts(out) == dict.fromkeys(FILES, "new")
        assert not staged.parent.exists()


def test_an_interruption_amidst_the_renames_waits_for_their_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staged, out = _trees(tmp_path)
    replace = Path.replace

    def once(self: Path, target: Path) -> None:
        monkeypatch.setattr(Path, "replace", replace)
        raise KeyboardInterrupt

    def interrupted() -> None:
        with bundle.staging(out) as folder:
            monkeypatch.setattr(Path, "replace", once)
            bundle.place(staged.rename(folder / "bundle"), out, GONE)

    staged.parent.rename(tmp_path / "elsewhere")
    staged = tmp_path / "elsewhere" / "bundle"
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert _texts(out) == dict.fromkeys(FILES, "new")


def _trees(folder: Path) -> tuple[Path, Path]:
    """A finished tree in the staging folder of a process that is gone, and the bundle that it is for."""
    out = folder / "out"
    staged = out / f".staging-{DEAD}" / "bundle"
    for tree, content in ((staged, "new"), (out, "old")):
        (tree / "sample").mkdir(parents=True)
        for name in FILES:
            (tree / name).write_text(content)
    for path in (out / "gone.tflite", folder / "mine.txt"):
        path.touch()
    return staged, out


def _texts(out: Path) -> dict[str, str]:
    """The files of a bundle with what stands in them, staging folders left out."""
    files = [path for path in out.rglob("*") if path.is_file() and not path.relative_to(out).parts[0].startswith(".")]
    return {path.relative_to(out).as_posix(): path.read_text() for path in files}


def test_a_folder_s_sum_is_that_of_its_listing(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    lines = f"{hashlib.sha256(b'1').hexdigest()}  a\n{hashlib.sha256(b'2').hexdigest()}  b/two\n"
    assert bundle.sha256(tmp_path) == hashlib.sha256(lines.encode()).hexdigest()
    assert bundle.size(tmp_path) == 2
