"""The client against a scripted server: what it sends, what it makes of the answers, and what it sends again."""

from __future__ import annotations

import base64
import io
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kvision.core.errors import UsageError
from kvision_export.serving import retrying
from kvision_export.serving.client import Client, ClientError
from tests.export.serving import scripted, servers
from tests.export.serving.scripted import Script, segment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE_S", 0.001)


def picture(width: int = 5, height: int = 3) -> np.ndarray:
    return np.full((height, width, 3), 200, np.uint8)


def test_importing_it_brings_no_tensorflow() -> None:
    code = (
        "import sys, kvision_export.serving.client, kvision.commands.client as _; print(sorted({'tensorflow', 'keras', 'grpc'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_files_bytes_and_arrays_in_one_call(script: Script, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(picture(7, 4)).save(path)
    with Client(script.url, "unet") as client:
        by_path, by_text, by_bytes, by_array, grey = client.predict([path, str(path), path.read_bytes(), picture(), picture()[..., :1]])
    assert [each.ok for each in (by_path, by_text, by_bytes, by_array, grey)] == [True] * 5
    assert (by_path.name, by_bytes.name, by_array.name) == (str(path), "image 2", "image 3")
    assert by_path.picture("mask_bytes").tolist() == [[1] * 7] * 4
    assert by_array.picture("mask_bytes").shape == grey.picture("mask_bytes").shape == (3, 5)
    shares = by_path.arrays["class_shares"]
    assert (shares.dtype, shares.tolist(), by_path.arrays["label"].item()) == (np.float32, [0.25, 0.75], "Größe")
    assert set(by_path.files) == {"mask_bytes"}


def test_arrays_arrive_unchanged() -> None:
    received: list[np.ndarray] = []

    def keep(content: bytes) -> int:
        received.append(np.asarray(Image.open(io.BytesIO(content))))
        return 0

    noise = np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)
    with scripted.running(Script(keep, {"class": "DT_INT64"})) as script, Client(script.url, "unet") as client:
        client.predict([noise])
    assert np.array_equal(received[0], noise)


def test_a_single_output_comes_without_its_name() -> None:
    with scripted.running(Script(lambda content: {"b64": base64.b64encode(content[:2]).decode()}, {"mask_bytes": "DT_STRING"})) as script:
        (answer,) = Client(script.url, "unet").predict([b"abc"])
    assert answer.files == {"mask_bytes": b"ab"}


def test_a_bad_image_is_reported_and_the_others_answered(script: Script, tmp_path: Path) -> None:
    images = [picture(), b"no picture", tmp_path / "none.png", np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), picture()]
    answers = Client(script.url, "unet").predict(images)
    assert [answer.ok for answer in answers] == [True, False, False, False, False, True]
    assert "image 1: the server could not read this picture; is it a whole JPEG, PNG, GIF, BMP or WebP file" in answers[1].error
    assert "none.png: can't be read (No such file or directory)" in answers[2].error
    assert "an array float64 [2, 2] is no picture; give uint8 [H, W, 3]" in answers[3].error
    assert "uint8 [2, 2, 4]" in answers[4].error
    assert script.sizes == [3]  # what can't be sent is not


def test_chunks_keep_the_order_and_are_sent_as_they_are_read(script: Script) -> None:
    read: list[int] = []

    def images() -> Iterator[np.ndarray]:
        for width in range(1, 8):
            read.append(width)
            yield picture(width)

    answers = Client(script.url, "unet", chunk=3).answers(images())
    first = next(answers)
    assert read == [1, 2, 3]
    assert [first.picture("mask_bytes").shape[1], *(answer.picture("mask_bytes").shape[1] for answer in answers)] == [1, 2, 3, 4, 5, 6, 7]
    assert script.sizes == [3, 3, 1]


def test_no_images_no_request(script: Script) -> None:
    assert Client(script.url, "unet").predict([]) == []
    assert script.sizes == []


def test_a_model_that_refuses_the_whole_batch_for_one_image() -> None:
    def strict(content: bytes) -> int:
        if content == b"bad":
            raise ValueError("Expected image (JPEG, PNG, or GIF), got unknown format")
        return len(content)

    images = [b"x" * size for size in range(1, 8)]
    images[4] = b"bad"
    with scripted.running(Script(strict, {"class": "DT_INT64"})) as script:
        answers = Client(script.url, "unet").predict(images)
        assert [answer.arrays["class"].item() if answer.ok else None for answer in answers] == [1, 2, 3, 4, None, 6, 7]
        assert "image 4: " in answers[4].error
        assert "status 400: Expected image (JPEG, PNG, or GIF), got unknown format" in answers[4].error
        assert len(script.sizes) <= 7  # halves, not one by one


def test_a_body_too_large_is_sent_in_halves(script: Script) -> None:
    script.replies = [(413, {"error": "too large"})]
    assert all(answer.ok for answer in Client(script.url, "unet").predict([picture()] * 4))
    assert script.sizes == [4, 2, 2]


@pytest.mark.parametrize("reply", [(503, {"error": "draining"}), (429, {"error": "busy"}), (429, b"", {"Retry-After": "0"}), (scripted.BROKEN, None)])
def test_what_is_sent_again(script: Script, reply: scripted.Reply) -> None:
    script.replies = [reply, reply]
    (answer,) = Client(script.url, "unet").predict([picture()])
    assert answer.ok
    assert script.sizes == [1, 1, 1]


@pytest.mark.parametrize(("status", "said"), [(500, "internal"), (504, "too late"), (404, "Servable not found"), (501, "no")])
def test_what_is_not_sent_again(script: Script, status: int, said: str) -> None:
    script.replies = [(status, {"error": said})]
    with pytest.raises(ClientError, match=f"status {status}: {said}"):
        Client(script.url, "unet").predict([picture()])
    assert script.sizes == [1]


def test_it_gives_up(script: Script) -> None:
    script.replies = [(503, {"error": "draining"})] * 9
    with pytest.raises(ClientError, match=r"status 503: draining; gave up after 3 attempts"):
        Client(script.url, "unet", retries=2).predict([picture()])
    assert script.sizes == [1, 1, 1]


def test_nobody_listens() -> None:
    port = servers.on_free_ports().rest_port
    with pytest.raises(ClientError, match=rf"http://127.0.0.1:{port}/v1/models/unet: .*Connection refused.*is the server running.*2 attempts"):
        Client(f"http://127.0.0.1:{port}", "unet", retries=1).status()


def test_what_listens_speaks_another_protocol() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            with listening.accept()[0] as connection:
                connection.recv(1 << 16)
                connection.sendall(b"\x00\x00\x18\x04\x00\x00\x00\x00\x00\n")  # as a gRPC server does

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(ClientError, match=r"its answer is no HTTP; is the server running, and is this its REST port\?; gave up"):
            Client(f"http://127.0.0.1:{listening.getsockname()[1]}", "unet", retries=0).status()


@pytest.mark.parametrize("reply", [(200, b"<html>"), (200, {"predictions": []}), (200, {"outputs": [1]})])
def test_an_answer_that_is_none(script: Script, reply: scripted.Reply) -> None:
    script.replies = [reply]
    with pytest.raises(ClientError, match=r"status 200: <html>|1 images were sent, and the answer has no `predictions`"):
        Client(script.url, "unet").predict([picture()])


def test_a_server_that_does_not_answer_in_time(script: Script) -> None:
    release = threading.Event()
    script.model = lambda content: release.wait(10) and segment(content)
    try:
        with pytest.raises(ClientError, match="no answer within the time; give a larger timeout, or smaller chunks"):
            Client(script.url, "unet", timeout_s=0.2).predict([picture()])
    finally:
        release.set()
    assert script.sizes == [1]


def test_status_and_metadata(script: Script) -> None:
    with Client(f"{script.url}/v1/models/unet/versions/3") as client:
        assert client.status() == {"model_version_status": [{"version": "3"}]}
        assert client.metadata() == script.metadata()


def test_a_signature_that_takes_no_encoded_images(script: Script) -> None:
    with pytest.raises(ClientError, match="signature predict_tensor takes no encoded images; those that do: serving_default"):
        Client(script.url, "unet", signature_name="predict_tensor").predict([picture()])
    with pytest.raises(ClientError, match="signature predict is not there; those that do: serving_default"):
        Client(script.url, "unet", signature_name="predict").predict([picture()])


def test_numbers_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="chunk=0"):
        Client("http://h", "unet", chunk=0)
    with pytest.raises(UsageError, match=r"timeout_s=-1"):
        Client("http://h", "unet", timeout_s=-1)
