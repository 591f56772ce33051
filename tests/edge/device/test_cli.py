"""`kvision-edge`: run, info, verify, bench, serve."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
import types
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import kvision_edge
from kvision_edge import capture, cli
from kvision_edge.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of one name, and a file that is none."""
    random = np.random.default_rng(0)
    for path, size in (("frames/a.png", (40, 30)), ("frames/deep/a.jpg", (33, 21)), ("frames/b.bmp", (9, 50))):
        (tmp_path / path).parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(tmp_path / path)
    return tmp_path / "frames"


def test_a_folder_gives_masks_of_each_pictures_size_and_overlays(segmentation: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cli.main(["run", str(segmentation), str(folder), "--out", str(out)]) == 0
    names = {path.name for path in out.iterdir()}
    assert names == {f"{stem}.{kind}.png" for stem in ("a", "a-2", "b") for kind in ("mask", "overlay")} | {"predictions.json"}
    listed = json.loads((out / "predictions.json").read_text())["images"]
    for entry in listed:
        with Image.open(out / entry["mask"]) as mask:
            assert mask.mode == "P"
            assert mask.size == (entry["width"], entry["height"])
            shares = np.bincount(np.asarray(mask).ravel(), minlength=4) / (entry["width"] * entry["height"])
        assert sum(entry["classes"].values()) == pytest.approx(1, abs=1e-5)
        assert sorted(share for share in shares if share) == pytest.approx(sorted(entry["classes"].values()), abs=1e-6)


def test_a_corrupt_picture_is_named_and_the_others_are_done(
    segmentation: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    assert cli.main(["run", str(segmentation), str(folder), "--json"]) == 1
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert len(lines) == 4
    assert [line["file"] for line in lines if "error" in line] == [str(folder / "bad.png")]
    assert "error: 1 of 4 failed, the others are done:\n" in captured.err
    assert "bad.png: is not a picture" in captured.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere.jpg"], 2, "nowhere.jpg: no such file or folder"),
        (["*.nothing"], 2, r"*.nothing: no file matches"),
        (["camera:front"], 2, "cameras are camera:0"),
        (["."], 2, "no pictures in this folder"),
        (["camera:0"], 1, "cameras and videos need OpenCV"),
    ],
)
def test_inputs_that_can_not_be_predicted(
    segmentation: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert cli.main(["run", str(segmentation), *arguments]) == code
    assert said in capsys.readouterr().err


class Film:
    """Stands in for OpenCV: a video of three frames, of growing blue, in OpenCV's order of the channels."""

    released: list[Film] = []  # noqa: RUF012

    def __init__(self, name: object) -> None:
        self.frames = [np.full((8, 6, 3), (80 * number, 0, 9), np.uint8) for number in range(3)]

    def isOpened(self) -> bool:
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        return (True, self.frames.pop(0)) if self.frames else (False, None)

    def release(self) -> None:
        self.released.append(self)


def test_every_frame_of_a_video_is_predicted_in_rgb(
    segmentation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(VideoCapture=Film))
    (tmp_path / "film.mp4").write_bytes(b"frames")
    found = list(capture.items([str(tmp_path / "film.mp4")]))
    assert [item.name for item in found] == ["film-000000", "film-000001", "film-000002"]
    assert [item.source[0, 0].tolist() for item in found] == [[9, 0, 0], [9, 0, 80], [9, 0, 160]]
    assert cli.main(["run", str(segmentation), str(tmp_path / "film.mp4"), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert (tmp_path / "out" / "film-000002.mask.png").is_file()


def test_a_camera_gives_its_newest_frames(segmentation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(VideoCapture=Film))
    names = [item.name for item in capture.items(["camera:0"])]
    assert names[-1] == "camera-0-000002"
    assert names == sorted(names)


@pytest.mark.parametrize("source", ["film.mp4", "camera:0"])
def test_a_video_and_a_camera_are_given_back_also_when_one_stops_early(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(VideoCapture=Film))
    (tmp_path / "film.mp4").write_bytes(b"frames")
    before = len(Film.released)
    frames = capture.items([source])
    next(frames)
    frames.close()
    assert len(Film.released) == before + 1


def test_out_is_never_written_over(segmentation: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(segmentation), str(folder), "--out", str(folder)]) == 2
    assert "holds files, which are not overwritten" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["run", "info", "verify", "bench", "serve"])
def test_the_help_of_each_command_ends_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([verb, "--help"])
    assert f"example: kvision-edge {verb} bundle" in capsys.readouterr().out


def test_info_tells_files_classes_and_tensors(segmentation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(segmentation)]) == 0
    text = capsys.readouterr().out
    assert "tiny: segmentation, 4 classes: background, red, green, blue" in text
    assert "predict: image int8[1, 32, 32, 3] -> logits int8[1, 32, 32, 4]" in text
    assert cli.main(["info", str(segmentation), "--json"]) == 0
    assert capsys.readouterr().out == (segmentation / "manifest.json").read_text()


def test_verify_exits_4_where_a_file_is_not_whole(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(bundle)]) == 0
    (bundle / "labels.txt").write_text("other\n")
    assert cli.main(["verify", str(bundle), "--json"]) == 4
    captured = capsys.readouterr()
    assert [each["what"] for line in captured.out.splitlines() if line[0] == "{" and (each := json.loads(line))["ok"] is False] == ["labels.txt"]
    assert "1 of the checks failed; do not use this bundle" in captured.err


@pytest.mark.parametrize("options", [[], ["--no-xnnpack", "--threads", "1", "--size", "20x30"]])
def test_bench_says_where_the_time_goes(segmentation: Path, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    assert cli.main(["bench", str(segmentation), "--format", "fp32", "--runs", "3", "--json", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["parts"]) == ["prepare", "invoke", "decode", "predict"]
    parts = {name: part["least"] for name, part in report["parts"].items()}
    assert 0 < parts["invoke"] < report["parts"]["predict"]["p99"]
    assert report["operators"]["CONV_2D"] == 3
    assert ("DELEGATE" in report["operators"]) == (not options)
    assert report["memory_mb"] > 10


def test_bench_times_each_op(classification: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = str(classification)
    assert cli.main(["bench", bundle, "--format", "fp32", "--runs", "3", "--by-op", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    names = [op["name"] for op in report["by_op"]]
    assert names[:3] == ["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D"]
    assert {name: names.count(name) for name in names} == {name: n for name, n in report["operators"].items() if name != "DELEGATE"}
    assert report["by_op"][0]["shape"] == [1, 16, 16, 8]
    assert report["by_op"][-1]["shape"] == [1, 4]
    assert 0 < sum(op["ms"] for op in report["by_op"]) < 100
    assert cli.main(["bench", bundle, "--runs", "2", "--by-op"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("by op, of ") for line in lines)
    assert lines[-1].startswith("slowest: ")


def test_bench_refuses_what_it_can_not_measure(segmentation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", str(segmentation), "--size", "big"]) == 2
    assert cli.main(["bench", str(segmentation), "--runs", "0"]) == 2
    assert "--size big: give height and width, such as 480x640" in capsys.readouterr().err


def test_serve_says_that_a_port_is_in_use_or_is_none(segmentation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert cli.main(["serve", str(segmentation), "--port", str(port)]) == 2
    assert f"error: port {port}: can't listen at 127.0.0.1:{port} (Address already in use); give another --port" in capsys.readouterr().err
    assert cli.main(["serve", str(segmentation), "--port", "70000"]) == 2
    assert "(accepted are 0 to 65535)" in capsys.readouterr().err


def test_the_interpreters_greeting_is_held_back_on_the_command_line_alone(segmentation: Path, folder: Path) -> None:
    load = "import sys, kvision_edge; kvision_edge.load(sys.argv[1], format='fp32')"
    run = "import sys; from kvision_edge import cli; sys.exit(cli.main(['run', '--format', 'fp32', *sys.argv[1:]]))"
    arguments = [str(segmentation), str(folder / "a.png")]
    greeted, held = (subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True) for code in (load, run))
    assert "XNNPACK" in greeted.stderr
    assert held.stderr == ""


def test_what_was_held_back_comes_out_when_it_fails() -> None:
    code = "import os; from kvision_edge import quiet; quiet.install()\nwith quiet.starting(): os.write(2, b'why'); raise SystemExit(3)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (3, "why")


@pytest.fixture
def url(segmentation: Path) -> Iterator[str]:
    with Server(kvision_edge.load(segmentation)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


def ask(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}), timeout=10) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_endpoint_answers_pictures(url: str, folder: Path) -> None:
    picture = (folder / "a.png").read_bytes()
    assert json.loads(ask(f"{url}/")[1])["task"] == "segmentation"
    status, body = ask(f"{url}/predict", picture)
    assert (status, json.loads(body)["width"]) == (200, 30)
    status, body = ask(f"{url}/mask", picture)
    with Image.open(io.BytesIO(body)) as mask:
        assert (status, mask.size) == (200, (30, 40))


def test_the_endpoint_refuses_what_is_no_picture_and_who_is_not_here(url: str) -> None:
    status, body = ask(f"{url}/predict", b"no picture")
    assert (status, "is not a picture" in json.loads(body)["error"]) == (400, True)
    assert ask(f"{url}/nothing")[0] == 404
    assert ask(f"{url}/predict", b"")[0] == 413
    status, body = ask(f"{url}/", headers={"Host": "evil.example"})
    assert (status, json.loads(body)["error"]) == (403, "Host evil.example: only 127.0.0.1 and localhost are served")
