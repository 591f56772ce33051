"""The cache on disk: what goes when it is full, and what stays."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kvision.commands import cached
from kvision.core import disk_cache, paths
from kvision.core.errors import UsageError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def entry(kind, name, size, used_s, *, folder=False):
    path = paths.cache_folder(kind) / name
    (path if folder else path.parent).mkdir(parents=True, exist_ok=True)
    (path / "deep" / "file" if folder else path).parent.mkdir(exist_ok=True)
    (path / "deep" / "file" if folder else path).write_bytes(b"x" * size)
    os.utime(path, (used_s, used_s))
    return path


def test_the_least_recently_used_go_first_and_only_as_many_as_must(monkeypatch):
    old, middle = entry("features", "a.npz", 400, 1000), entry("remote", "b", 400, 2000, folder=True)
    new, kept = entry("records", "c.npz", 400, 3000), entry("records", "d.npz", 400, 10)
    assert [one.path for one in disk_cache.entries()] == [kept, old, middle, new]
    monkeypatch.setenv("KVISION_CACHE_GB", "0.0000012")
    assert disk_cache.shrink(keep=kept) == [old]
    disk_cache.used(middle)
    assert disk_cache.shrink(800, keep=kept) == [new]
    assert disk_cache.shrink(0) == [kept, middle]
    assert disk_cache.shrink(0) == []


def test_a_folder_that_a_process_holds_stays_as_long_as_the_process_lives():
    held = entry("remote", "b", 400, 1000, folder=True)
    code = f"from pathlib import Path; from kvision.core import disk_cache; disk_cache.hold(Path({str(held)!r})); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        assert disk_cache.shrink(0) == []
        assert (held / "deep/file").is_file()
        process.communicate("\n")
    assert disk_cache.shrink(0) == [held]


def test_limits_that_are_none(monkeypatch):
    for given in ("much", "-1", "nan"):
        monkeypatch.setenv("KVISION_CACHE_GB", given)
        with pytest.raises(UsageError, match=f"KVISION_CACHE_GB: '{given}' is no number of gigabytes; accepted: 0 or more, such as 50"):
            disk_cache.limit()
    monkeypatch.setenv("KVISION_CACHE_GB", "")
    assert disk_cache.limit() == 50_000_000_000


def test_the_command(capsys):
    cached.run(clear=False, json_lines=False)
    assert "0 B of 50.0 GB; KVISION_CACHE_GB sets the limit" in capsys.readouterr().out
    entry("features", "a.npz", 400, 1000)
    cached.run(clear=False, json_lines=True)
    row, most = capsys.readouterr().out.splitlines()
    assert '"kind": "features", "entries": 1, "bytes": 400' in row
    assert most == '{"limit_bytes": 50000000000}'
    cached.run(clear=True, json_lines=False)
    assert "1 removed, 0 in use" in capsys.readouterr().out
    assert disk_cache.entries() == []
