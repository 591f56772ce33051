"""Data sets that lie elsewhere: in fsspec's memory, and on an HTTP server of this machine."""

from __future__ import annotations

import functools
import http.server
import os
import threading

import numpy as np
import pytest

from kvision.core import disk_cache, paths
from kvision.core.errors import DataError
from kvision.data import remote
from kvision.data.sources.image_folder import ImageFolder, Options
from tests.unit.data.class_folders import picture, write

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(disk_cache, "_held", {})
    fsspec.filesystem("memory").store.clear()


def put(name, content):
    with fsspec.open(f"memory://{name}", "wb") as file:
        file.write(content)


def test_addresses_are_told_from_paths():
    assert [remote.is_remote(path) for path in ("s3://b/x", "gs://b", "https://h/x", "simplecache::s3://b")] == [True] * 4
    assert [remote.is_remote(path) for path in ("a/b", "/a", "~/x", ".", "C:/x", "")] == [False] * 6


def test_a_folder_is_fetched_once_and_follows_what_changes(monkeypatch):
    for name in ("train/a.txt", "train/deep/b.txt", ".hidden/c.txt"):
        put(f"set/{name}", name.encode())
    fetched = []
    system = type(fsspec.filesystem("memory"))
    original = system.get_file
    monkeypatch.setattr(system, "get_file", lambda self, path, *args, **more: fetched.append(path) or original(self, path, *args, **more))
    folder = remote.mirrored("memory://set")
    assert sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.txt")) == ["train/a.txt", "train/deep/b.txt"]
    assert (folder / "train/deep/b.txt").read_text() == "train/deep/b.txt"
    assert len(fetched) == 2
    assert remote.mirrored("memory://set/") == folder
    assert len(fetched) == 2
    put("set/train/a.txt", b"other, and longer")
    fsspec.filesystem("memory").rm("/set/train/deep/b.txt")
    remote.mirrored("memory://set")
    assert [path.removeprefix("/set/") for path in fetched[2:]] == ["train/a.txt"]
    assert (folder / "train/a.txt").read_text() == "other, and longer"
    assert not (folder / "train/deep/b.txt").exists()


def test_what_was_fetched_before_a_fault_is_not_fetched_again(monkeypatch):
    for number in range(5):
        put(f"set/{number}.txt", b"x" * 10)
    system = type(fsspec.filesystem("memory"))
    original = system.get_file

    def failing(self, path, *args, **more):
        if path.endswith("3.txt"):
            raise ConnectionResetError("the line is dead")
        return original(self, path, *args, **more)

    monkeypatch.setattr(system, "get_file", failing)
    with pytest.raises(DataError, match=r"memory://set: can't be read \(ConnectionResetError: the line is dead\); look at the address, the network"):
        remote.mirrored("memory://set")
    fetched = []
    monkeypatch.setattr(system, "get_file", lambda self, path, *args, **more: fetched.append(path) or original(self, path, *args, **more))
    folder = remote.mirrored("memory://set")
    assert "/set/3.txt" in fetched
    assert len(fetched) < 5
    assert len(list(folder.glob("*.txt"))) == 5


def test_the_cache_makes_room_and_says_when_it_can_not(monkeypatch):
    for name in ("one", "two"):
        put(f"{name}/file.txt", b"x" * 600)
    monkeypatch.setenv("KVISION_CACHE_GB", "0.000001")
    first = remote.mirrored("memory://one")
    second = remote.mirrored("memory://two")
    assert first.is_dir()  # this very process reads it
    disk_cache._held.popitem()
    for descriptor in disk_cache._held.values():
        os.close(descriptor)
    disk_cache._held.clear()
    put("three/file.txt", b"x" * 600)
    assert remote.mirrored("memory://three").is_dir()
    assert not first.exists()
    put("big/file.txt", b"x" * 2000)
    with pytest.raises(DataError, match=r"memory://big: its 1 file have 2.0 kB, and the cache .* may hold 1.0 kB; raise KVISION_CACHE_GB"):
        remote.mirrored("memory://big")
    assert second is not None


def test_missing_packages_unknown_kinds_and_empty_folders_are_told():
    with pytest.raises(DataError, match=r"ftq://x: Protocol not known: ftq.*accepted are gs://, s3://, http://"):
        remote.mirrored("ftq://x")
    with pytest.raises(DataError, match=r"memory://nothing: (holds no files|can't be read)"):
        remote.mirrored("memory://nothing")
    fsspec.register_implementation("s4", "s4fs.S4", errtxt="Install s4fs to access S4", clobber=True)
    with pytest.raises(DataError, match=r"s4://b/x: Install s4fs to access S4; run `pip install 'kvision\[remote\]'`"):
        remote.mirrored("s4://b/x")


def test_a_folder_of_pictures_on_an_http_server_is_read_as_one_on_this_disk(tmp_path):
    pytest.importorskip("aiohttp")
    write(tmp_path / "set", 4)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path / "set")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    try:
        one = ImageFolder(Options(path=url, val_split=0.25), seed=0, base=tmp_path)
        assert one.info.class_names == ("cat", "dog", "eel")
        train = one.split("train")
        assert len(train) == 9
        name = train.names[5]
        np.testing.assert_array_equal(train.read(5, frozenset({"image"}))["image"], picture(name[:3], int(name[4:7])))
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(DataError, match=r"http://127.0.0.1:\d+/: can't be read .*look at the address, the network and the credentials"):
        ImageFolder(Options(path=url), seed=0, base=tmp_path).split("train")
    assert paths.cache_folder("remote").is_dir()
