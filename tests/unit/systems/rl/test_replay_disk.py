"""The replay buffer in files: the same transitions as in memory, what `kill -9` leaves behind, and what a full or faulty disk says."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import RunError
from kvision.systems.rl import _replay_disk
from kvision.systems.rl._replay import Replay
from kvision.systems.rl._replay_disk import DiskRows
from tests.unit.systems.rl.test_replay import SPACES, played

if TYPE_CHECKING:
    from pathlib import Path

LANES, CAPACITY = 2, 64
KINDS = {"reward": ((), "float32"), "observation": ((2,), "float32")}


def buffer(folder: Path | None) -> Replay:
    made = Replay(SPACES, LANES, CAPACITY, n_step=3, gamma=0.5, on_disk=folder is not None)
    if made.files is not None:
        made.files.keep_in(folder)
    return made


def drawn(replay: Replay) -> list[np.ndarray]:
    found = tf.function(lambda: replay.draw(3, 20, tf.constant([1, 2])))()
    return [value.numpy() for _, value in sorted(found.items())]


def test_what_is_drawn_from_files_is_what_is_drawn_from_memory(tmp_path: Path) -> None:
    memory, disk = buffer(None), buffer(tmp_path)
    for first in range(0, 75, 5):  # more than twice round
        for replay in (memory, disk):
            replay.add(played(first, 5, LANES, {(first + 3, 0): "terminated", (first + 1, 1): "truncated"}))
        for ours, theirs in zip(drawn(disk), drawn(memory), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_what_was_written_after_a_checkpoint_changes_nothing_however_much_it_was(tmp_path: Path) -> None:
    replay = buffer(tmp_path)
    for first in range(0, 40, 5):
        replay.add(played(first, 5, LANES, {}))
    checkpoint = {name: np.array(variable.numpy()) for name, variable in replay.variables.items()}
    before = drawn(replay)
    for first in range(1000, 1200, 5):  # the ring would have been written over six times
        replay.add(played(first, 5, LANES, {}))
    again = buffer(tmp_path)  # as another process finds it: nothing of the first was closed
    for name, variable in again.variables.items():
        variable.assign(checkpoint[name])
    for ours, theirs in zip(drawn(again), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other = buffer(None)
    for first in range(0, 50, 5):
        other.add(played(first, 5, LANES, {}))
        if first >= 40:
            again.add(played(first, 5, LANES, {}))
    for ours, theirs in zip(drawn(again), drawn(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_files_go_when_no_checkpoint_needs_them(tmp_path: Path) -> None:
    replay = buffer(tmp_path)  # 32 rows, two a file
    for first in range(0, 200, 5):
        replay.add(played(first, 5, LANES, {}))
    assert len(list(tmp_path.iterdir())) == 100
    for _ in range(_replay_disk.MARKS):
        assert (tmp_path / "rows-0000000000.bin").exists()
        replay.files.numpy()
    assert sorted(path.name for path in tmp_path.iterdir())[0] == "rows-0000000084.bin"


def saved(tmp_path: Path) -> np.ndarray:
    replay = buffer(tmp_path)
    for first in range(0, 40, 5):
        replay.add(played(first, 5, LANES, {}))
    return replay.files.numpy()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.unlink(), r"rows-0000000007\.bin: is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:50]), r"rows-0000000007\.bin: has 50 bytes in place of \d+"),
        (lambda path: path.write_bytes(b"\xff" + path.read_bytes()[1:]), r"rows-0000000007\.bin: its first 2 rows have the checksum \w{8}, not"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, harm, said: str) -> None:
    checkpoint = saved(tmp_path)
    harm(tmp_path / "rows-0000000007.bin")
    with pytest.raises(RunError, match=said):
        buffer(tmp_path).files.assign(checkpoint)


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    rows = DiskRows(KINDS, 1, 16)
    rows.keep_in(tmp_path / "replay")
    monkeypatch.setattr(os, "posix_fallocate", full)
    add = tf.function(lambda: rows.add(tf.zeros([1, 1], tf.int32), {"reward": tf.zeros([1, 1]), "observation": tf.zeros([1, 1, 2])}))
    with pytest.raises(tf.errors.OpError):
        add()
    assert "replay: 1.14e-05 MiB more of the replay buffer could not be written: No space left on device; free some space" in str(rows.fault)
    assert not list((tmp_path / "replay").iterdir())
