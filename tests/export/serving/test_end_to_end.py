"""From a trained run to masks over the wire: what the client gets for real files is what `kvision predict` writes."""

from __future__ import annotations

import io
import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kvision.commands import client as client_command
from kvision.commands import predict
from kvision_export.serving.client import Client
from tests.export.serving import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kvision_export.subject import Subject
    from tests.export.serving.servers import Ports


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos that scikit-learn ships, as JPEG, turned JPEG, PNG, grey PNG and PNG with transparency."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("china.jpg", "flower.jpg"):
        (folder / name).write_bytes(resources.files("sklearn.datasets.images").joinpath(name).read_bytes())
    photo = Image.open(folder / "flower.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    photo.save(folder / "turned.jpg", exif=turned)
    photo.resize((97, 211)).save(folder / "tall.png")
    photo.convert("L").resize((64, 64)).save(folder / "grey.png")
    photo.resize((50, 30)).convert("RGBA").save(folder / "clear.png")
    return folder


@pytest.fixture(scope="module")
def ports(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    from kvision_export.saved_model.publish import publish

    parent = tmp_path_factory.mktemp("bundle")
    publish(subject, parent)
    with servers.running("embedded", parent) as running:
        yield running


@pytest.fixture(scope="module")
def masks(trained_once: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What `kvision predict` makes of the pictures, by file name."""
    out = tmp_path_factory.mktemp("predictions") / "out"
    predict.run(trained_once, [str(pictures)], out=out, devices="cpu")
    entries = json.loads((out / predict.PREDICTIONS).read_text())["images"]
    return {Path(entry["file"]).name: np.asarray(Image.open(out / entry["mask"])) for entry in entries}


def test_the_client_gets_the_masks_that_predict_writes(ports: Ports, subject: Subject, pictures: Path, masks: dict[str, np.ndarray]) -> None:
    files = sorted(pictures.iterdir())
    assert len({mask.shape for mask in masks.values()}) == 6 - 1  # china and flower are of one size
    for url in (f"http://127.0.0.1:{ports.rest}", f"grpc://127.0.0.1:{ports.grpc}"):
        with Client(url, subject.name, chunk=4) as client:
            answers = client.predict(files)
        assert [answer.error for answer in answers] == [""] * len(files)
        for file, answer in zip(files, answers, strict=True):
            mask = masks[file.name]
            assert np.array_equal(answer.picture("mask_bytes"), mask), (url, file.name)
            shares = np.bincount(mask.ravel(), minlength=subject.session.pipeline.info.num_classes) / mask.size
            assert answer.arrays["class_shares"] == pytest.approx(shares, abs=1e-6)


def test_arrays_are_answered_as_their_files(ports: Ports, subject: Subject, pictures: Path, masks: dict[str, np.ndarray]) -> None:
    names = ["tall.png", "grey.png"]
    with Client(f"http://127.0.0.1:{ports.rest}", subject.name) as client:
        answers = client.predict([np.asarray(Image.open(pictures / name)) for name in names])
    assert all(np.array_equal(answer.picture("mask_bytes"), masks[name]) for name, answer in zip(names, answers, strict=True))


def test_a_bad_picture_spoils_nobody_elses(ports: Ports, subject: Subject, pictures: Path, masks: dict[str, np.ndarray]) -> None:
    whole = (pictures / "china.jpg").read_bytes()
    sent = [whole, whole[: len(whole) // 2], b"", b"GIF89a", pictures / "grey.png"]
    for url in (f"http://127.0.0.1:{ports.rest}", f"grpc://127.0.0.1:{ports.grpc}"):
        with Client(url, subject.name) as client:
            answers = client.predict(sent)
        assert [answer.ok for answer in answers] == [True, False, False, False, True]
        assert "image 1: the server could not read this picture" in answers[1].error
        assert np.array_equal(answers[-1].picture("mask_bytes"), masks["grey.png"])


def test_the_command(ports: Ports, subject: Subject, pictures: Path, masks: dict[str, np.ndarray], tmp_path: Path) -> None:
    client_command.run(f"127.0.0.1:{ports.grpc}", [str(pictures / "*.png")], model=subject.name, grpc=True, out=tmp_path / "out", chunk=2)
    written = json.loads((tmp_path / "out/answers.json").read_text())
    assert written["version"] == "1"
    for entry in written["images"]:
        content = (tmp_path / "out" / entry["mask_bytes"]).read_bytes()
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), masks[Path(entry["file"]).name])
