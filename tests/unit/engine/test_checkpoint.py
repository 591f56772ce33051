"""Checkpoints: whole or not there, kept and pruned as promised, damaged ones found out."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kvision.core import disk
from kvision.core.errors import RunError
from kvision.engine.checkpoint import Checkpoints, load

STATE = {"net/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "train/step": np.array(7, np.int64)}


def save(checkpoints: Checkpoints, step: int, epoch: int = 0, best_step: int | None = None, reason: str = "epoch") -> None:
    state = {**STATE, "train/step": np.array(step, np.int64)}
    checkpoints.save(state, {"step": step, "epoch": epoch, "best_step": best_step, "reason": reason})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    written = Checkpoints(tmp_path / "c").save(STATE, {"step": 7, "epoch": 1, "metrics": {"val/miou": 0.5}})
    found, state = load(written.path)
    assert found.step == 7
    assert found.meta["metrics"] == {"val/miou": 0.5}
    assert set(state) == set(STATE)
    for name, value in STATE.items():
        np.testing.assert_array_equal(state[name], value)
        assert (state[name].dtype, state[name].shape) == (value.dtype, value.shape)
    assert names(tmp_path / "c") == ["index.json", "step-00000007"]


def test_two_newest_best_and_every_kth_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_every_epochs=2)
    for epoch in range(1, 7):
        save(checkpoints, 10 * epoch, epoch, best_step=10)
        save(checkpoints, 10 * epoch + 5, epoch, best_step=10, reason="interval")
    assert names(tmp_path) == ["index.json", *(f"step-{step:08d}" for step in (10, 20, 40, 60, 65))]
    kept = ["step-00000020", "step-00000040", "step-00000060"]
    assert json.loads((tmp_path / "index.json").read_text()) == {"last": "step-00000065", "best": "step-00000010", "kept": kept}


@pytest.mark.parametrize("damage", ["flip", "truncate", "no meta", "torn meta", "no state"])
def test_a_damaged_checkpoint_is_passed_over_and_named(tmp_path: Path, damage: str) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    save(checkpoints, 2)
    file = tmp_path / "step-00000002" / ("meta.json" if "meta" in damage else "state.safetensors")
    data = file.read_bytes()
    if damage == "flip":
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage.startswith("no "):
        file.unlink()
    else:
        file.write_bytes(data[: len(data) // 2])
    said: list[str] = []
    found = checkpoints.latest_good(said.append)
    assert found is not None
    assert int(found[1]["train/step"]) == 1
    assert len(said) == 1
    assert "step-00000002" in said[0]
    assert "damaged" in said[0]
    assert said[0].endswith("going on from the checkpoint before it, step-00000001")


def test_all_damaged_is_an_error(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    (tmp_path / "step-00000001" / "state.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match=r"all 1 checkpoints are damaged.*(?s:.*)train anew in another --run-dir"):
        checkpoints.latest_good(pytest.fail)


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").latest_good(pytest.fail) is None
    assert Checkpoints(tmp_path / "none").index() == {"last": None, "best": None, "kept": []}


def test_what_a_killed_process_left_is_ignored_and_cleaned(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    (tmp_path / ".step-00000002.999.tmp").mkdir()
    (tmp_path / ".step-00000002.999.tmp" / "state.safetensors").write_bytes(b"half")
    (tmp_path / ".index.json.999.tmp").write_bytes(b"{")
    found = checkpoints.latest_good(pytest.fail)
    assert found is not None
    assert found[0].step == 1
    checkpoints.clean()
    assert names(tmp_path) == ["index.json", "step-00000001"]


def test_the_same_step_can_be_saved_again(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    checkpoints.save({"other": np.ones(2, np.float32)}, {"step": 1, "epoch": 0})
    assert set(load(tmp_path / "step-00000001")[1]) == {"other"}


def test_checkpoints_beyond_a_step_are_dropped(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    save(checkpoints, 2)
    checkpoints.drop_after(1)
    assert [found.step for found in checkpoints.all()] == [1]


def test_full_disk_is_one_clear_message_and_leaves_the_rest_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk.os, "fsync", full)
    with pytest.raises(RunError, match=r"checkpoint step-00000002 could not be written: No space left on device; free some space.*--resume"):
        save(checkpoints, 2)
    monkeypatch.undo()
    assert names(tmp_path) == ["index.json", "step-00000001"]
    assert checkpoints.latest_good(pytest.fail) is not None


def test_a_write_that_the_kernel_cuts_short(tmp_path: Path) -> None:
    """A real limit of the operating system, in a process of its own."""
    code = (
        "import sys, numpy as np; from pathlib import Path; from kvision.engine.checkpoint import Checkpoints\n"
        "Checkpoints(Path(sys.argv[1])).save({'w': np.zeros(100_000, np.float32)}, {'step': 1, 'epoch': 0})"
    )

    def limit() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 1
    assert "checkpoint step-00000001 could not be written: File too large; free some space" in done.stderr
    assert names(tmp_path) == []


@pytest.mark.parametrize("folder", ["/proc/kvision", "file/checkpoints"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"could not be written: .*; choose a folder that can be written with --run-dir"):
        save(Checkpoints(tmp_path / folder), 1)


def test_a_read_only_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(self: Path, *arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(RunError, match=r"Read-only file system; choose a folder that can be written with --run-dir"):
        save(Checkpoints(tmp_path), 1)
