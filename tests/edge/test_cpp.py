"""edge/cpp, built against the LiteRT library of the ai-edge-litert wheel: it answers as kvision_edge does."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kvision_edge
from kvision_edge import manifest
from kvision_edge.bundle import digest
from kvision_edge.errors import BundleError
from kvision_edge.postprocess.classification import Classification
from kvision_edge.postprocess.segmentation import Segmentation
from tests.edge import tiny

SOURCE = Path(__file__).parents[2] / "edge" / "cpp"
FORMS = ("jpeg", "exif", "grey_jpeg", "png", "rgba", "grey", "grey_alpha", "palette", "transparent", "bilevel")


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kvision-run, built; 5 seconds of one core."""
    missing = [name for name in ("cmake", "make", "c++") if shutil.which(name) is None]
    missing += [name for name in ("png.h", "jpeglib.h") if not Path("/usr/include", name).exists()]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: cmake g++ libjpeg-dev libpng-dev)")
    found = importlib.util.find_spec("ai_edge_litert")
    if found is None or found.origin is None or not (Path(found.origin).parent / "libLiteRt.so").exists():
        pytest.skip("this ai-edge-litert has no libLiteRt.so")
    build = tmp_path_factory.mktemp("cpp")
    for command in (["cmake", "-S", str(SOURCE), "-B", str(build), f"-DPYTHON={sys.executable}"], ["make", "-C", str(build), "-j2"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "warning" not in done.stderr
    return build / "kvision-run"


def call(program: Path, *arguments: object) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, parsed lines, errors."""
    done = subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stdout + done.stderr


@pytest.mark.parametrize("name", [pytest.param(name, id=name.removeprefix("tflite-")) for name in tiny.KINDS])
def test_masks_and_shares_are_those_of_the_python_runtime(
    program: Path, segmentation: Path, pictures: dict[str, list[Path]], tmp_path: Path, name: str
) -> None:
    chosen = [path for form in FORMS for path in (pictures[form] if name == "tflite-int8-full" else pictures[form][:2])]
    code, lines, said = call(program, "run", segmentation, *chosen, "--format", name, "--out", tmp_path / "out")
    assert code == 0, said
    model = kvision_edge.load(segmentation, format=name)
    different = pixels = 0
    seen: set[int] = set()
    for path, line in zip(chosen, lines, strict=True):
        answer = model.predict(path)
        assert isinstance(answer, Segmentation)
        with Image.open(tmp_path / "out" / line.pop("mask")) as mask:
            assert mask.getpalette()[: 3 * len(tiny.COLOURS)] == [value for colour in tiny.COLOURS for value in colour]
            found = np.asarray(mask)
        assert found.shape == answer.classes.shape
        unlike = int((found != answer.classes).sum())
        assert unlike or line == {"file": str(path), **answer.to_json()}
        different += unlike
        pixels += found.size
        seen |= set(np.unique(found).tolist())
    assert seen == set(range(tiny.CLASSES))
    assert different <= 1e-5 * pixels  # where probabilities are equal but for the last bit of exp


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
@pytest.mark.parametrize("fit", ["resize", "crop"])
def test_classes_and_probabilities_are_those_of_the_python_runtime(
    program: Path, classification: Path, tmp_path: Path, pictures: dict[str, list[Path]], activation: str, fit: str
) -> None:
    bundle = shutil.copytree(classification, tmp_path / "bundle")
    tiny.changed(bundle, decode={"activation": activation}, preprocess={"fit": fit})
    chosen = [pictures[form][0] for form in FORMS]
    for name in ("int8-full", "fp32"):
        code, lines, said = call(program, "run", bundle, *chosen, "--format", name, "--threads", 1)
        assert code == 0, said
        model = kvision_edge.load(bundle, format=name)
        for path, line in zip(chosen, lines, strict=True):
            answer = model.predict(path)
            assert isinstance(answer, Classification)
            assert [row["class"] for row in line["classes"]] == list(answer.classes)
            assert [row["label"] for row in line["classes"]] == list(answer.labels)
            assert [row["probability"] for row in line["classes"]] == pytest.approx(answer.probabilities, abs=2e-6)


def test_verify_finds_nothing_wrong_with_what_was_exported(program: Path, segmentation: Path) -> None:
    code, _, said = call(program, "verify", segmentation)
    assert code == 0, said
    assert "WRONG" not in said
    assert [name for name in tiny.KINDS if f"ok    {name} on the sample: differs by " in said] == list(tiny.KINDS)
    assert said.count("sha256 ") == 2 + 2 * len(tiny.KINDS)  # labels and sample; each file and its answer


def test_verify_sums_up_folders_and_files_of_any_length_as_python_does(program: Path, bundle: Path) -> None:
    folder = bundle / "saved" / "1"
    (folder / "a").mkdir(parents=True)
    for length in (0, 1, 55, 56, 63, 64, 65, 119, 120, 1000):
        (folder / f"{length}").write_bytes(bytes(range(256)) * 4 if length == 1000 else b"x" * length)
    for name in ("a.b", "a/z", "Z"):
        (folder / name).write_text(name)
    tiny.changed(
        bundle, checksums={"saved/1": digest(folder), **{f"saved/1/{path.name}": digest(path) for path in folder.iterdir() if path.is_file()}}
    )
    code, _, said = call(program, "verify", bundle)
    assert code == 0, said
    assert "ok    saved/1: sha256 " in said
    (folder / "a" / "z").rename(folder / "a" / "y")
    code, _, said = call(program, "verify", bundle)
    assert code == 4
    assert "WRONG saved/1: is not the file that was exported" in said


def test_labels_in_any_script_come_through(program: Path, bundle: Path, pictures: dict[str, list[Path]]) -> None:
    labels = ['a "b" \\ c', "größe\t/\x01", "背景", "😀"]
    tiny.changed(bundle, labels=labels)
    code, lines, said = call(program, "run", bundle, *pictures["png"])
    assert code == 0, said
    assert set().union(*(line["classes"] for line in lines)) == set(labels)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_png_is_turned_as_its_exif_says(program: Path, segmentation: Path, tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (21, 47, 3), np.uint8)).save(tmp_path / "turned.png", exif=exif)
    code, lines, said = call(program, "run", segmentation, tmp_path / "turned.png")
    assert code == 0, said
    assert lines == [{"file": str(tmp_path / "turned.png"), **kvision_edge.load(segmentation).predict(tmp_path / "turned.png").to_json()}]


def test_verify_names_a_damaged_file_and_another_answer(program: Path, bundle: Path) -> None:
    path = bundle / "tflite-int8-full.tflite"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with np.load(bundle / "sample-tflite-fp32.npz") as saved:
        np.savez(bundle / "sample-tflite-fp32.npz", logits=saved["logits"] + np.float32(0.5))
    code, _, said = call(program, "verify", bundle)
    assert code == 4
    assert "WRONG tflite-int8-full.tflite: is not the file that was exported" in said
    assert "WRONG tflite-fp32 on the sample: differs by 0.5, allowed 0.0002" in said
    assert "4 of the checks failed" in said


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schema": 2}, "has another schema, this program reads 1"),
        ({"preprocess": {"fit": "squash"}}, "preprocess.fit is 'squash'"),
        ({"preprocess": {"fit": "crop"}}, "run in tiles, which only kvision-edge does"),
        ({"preprocess": {"size_px": 48}}, "does not take pictures of 48 px"),
        ({"decode": {"activation": "cosine"}}, "decode.activation is 'cosine'"),
        ({"task": "captioning"}, "this program knows segmentation and classification"),
        ({"labels": ["one"]}, "of different number"),
    ],
)
def test_a_bundle_that_it_can_not_run_is_refused(program: Path, bundle: Path, pictures: dict[str, list[Path]], values: Any, message: str) -> None:
    tiny.changed(bundle, **values)
    code, _, said = call(program, "run", bundle, pictures["png"][0])
    assert code == 1
    assert message in said


def test_an_answer_that_is_not_of_the_squares_size_is_refused(
    program: Path, segmentation: Path, pictures: dict[str, list[Path]], tmp_path: Path
) -> None:
    import tensorflow as tf

    weights = np.ones((1, 1, 3, tiny.CLASSES), np.float32)
    image = tf.TensorSpec([1, tiny.SIZE_PX, tiny.SIZE_PX, 3], tf.float32, name="image")
    halved = tf.function(lambda image: {"logits": tf.nn.conv2d(image, weights, 2, "SAME")}).get_concrete_function(image)
    content = tiny.converted({"predict": halved}, "float32", tmp_path / "work")
    bundle = tiny.write(tmp_path / "bundle", {"tflite-fp32": content}, "segmentation", tiny.LABELS, {"output": "logits"})
    code, _, said = call(program, "run", bundle, pictures["png"][0])
    assert code == 1
    assert "the network's answer is not of the square's size" in said
    with pytest.raises(BundleError, match=r"the network gives \[16, 16, 4\] for 4 classes and a square of 32 px"):
        kvision_edge.load(bundle).predict(pictures["png"][0])


@pytest.mark.parametrize("relative", ["../outside.tflite", "/etc/hostname.tflite", "link.tflite"])
def test_a_path_that_leaves_the_bundle_is_refused(program: Path, bundle: Path, pictures: dict[str, list[Path]], relative: str) -> None:
    (bundle / "link.tflite").symlink_to("/etc/hostname")
    files = json.loads((bundle / manifest.NAME).read_text())["files"]
    tiny.changed(bundle, files=[{**files[0], "path": relative}])
    code, _, said = call(program, "run", bundle, pictures["png"][0])
    assert code == 1
    assert "which is not in the bundle; do not use this bundle" in said


def test_a_damaged_manifest_is_refused_wherever_it_is_cut(program: Path, bundle: Path, pictures: dict[str, list[Path]]) -> None:
    whole = (bundle / manifest.NAME).read_text()
    for length in np.linspace(0, len(whole) - 3, 12).astype(int):
        (bundle / manifest.NAME).write_text(whole[:length])
        code, _, said = call(program, "run", bundle, pictures["png"][0])
        assert (code, "damaged at byte" in said) == (1, True), said


def test_one_bad_picture_does_not_stop_the_others(program: Path, segmentation: Path, pictures: dict[str, list[Path]], tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", (60000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0") + chunk(b"IDAT", b"\0" * 99)
    whole_jpeg, whole_png = pictures["jpeg"][0].read_bytes(), pictures["png"][0].read_bytes()
    bad = {
        "empty": (b"", "not a picture"),
        "text": (b"hello", "not a picture"),
        "half.jpg": (whole_jpeg[: len(whole_jpeg) // 2], "can't be read (Premature end of JPEG file)"),
        "half.png": (whole_png[: len(whole_png) // 2], "can't be read ("),
        "bomb.png": (bomb, "is far too large (60000x60000 pixels)"),
        "cmyk.jpg": (pictures["cmyk"][0].read_bytes(), "four colours"),
    }
    for name, (content, _) in bad.items():
        (tmp_path / name).write_bytes(content)
    code, lines, said = call(program, "run", segmentation, *(tmp_path / name for name in bad), tmp_path / "none", pictures["png"][0])
    assert code == 1
    for line, (_, message) in zip(lines, bad.values(), strict=False):
        assert message in line["error"], said
    assert "can't be read (No such file or directory)" in lines[-2]["error"]
    assert lines[-1]["task"] == "segmentation"


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["run", "bundle"], ["verify"], ["fly", "bundle"], ["run", "a", "b", "--loud"], ["run", "a", "b", "--threads", "0"]]
)
def test_wrong_arguments_exit_with_2(program: Path, arguments: list[str]) -> None:
    code, _, said = call(program, *arguments)
    assert code == 2
    assert "usage" in said or "accepted is 1 or more" in said


def test_a_folder_that_holds_files_is_not_written_to(program: Path, segmentation: Path, pictures: dict[str, list[Path]], tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    code, _, said = call(program, "run", segmentation, pictures["png"][0], "--out", tmp_path)
    assert code == 2
    assert "not overwritten" in said


def test_names_that_are_alike_get_masks_of_their_own(program: Path, segmentation: Path, pictures: dict[str, list[Path]], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for path in (tmp_path / "same.png", tmp_path / "a" / "same.png"):
        shutil.copy(pictures["png"][0], path)
    _, lines, _ = call(program, "run", segmentation, tmp_path / "same.png", tmp_path / "a" / "same.png", "--out", tmp_path / "out")
    assert [line["mask"] for line in lines] == ["same.mask.png", "same-2.mask.png"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"same.mask.png", "same-2.mask.png"}
