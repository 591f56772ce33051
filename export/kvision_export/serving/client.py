"""Sends images to a served model, TensorFlow Serving or the embedded server, and gets an answer for each of them.

    with Client("http://localhost:8501", "unet") as client:
        for answer in client.predict(["photo.jpg", "other.png"]):
            print(answer.name, answer.arrays["class_shares"] if answer.ok else answer.error)

Importing this brings no TensorFlow; over REST the client needs none.
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kvision.core.errors import UsageError
from kvision_export.serving import address, retrying, signature
from kvision_export.serving.over_rest import Rest
from kvision_export.serving.retrying import ClientError, RefusedError, T

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kvision_export.serving.signature import Served
    from kvision_export.serving.transport import Transport

Picture = str | Path | bytes | np.ndarray
"""A file, an encoded image, or uint8 `[H, W, 3]` (`[H, W]` or `[H, W, 1]`: grey)."""


@dataclass(frozen=True)
class Answer:
    """What the server says of one image.

    Attributes:
        name: The file, or `image <n>` counted from 0.
        error: Why there is no answer; empty: there is one.
        arrays: Outputs by name, without a batch dimension; text as `str`.
        files: The outputs whose names end in `_bytes`: encoded images or other bytes (or a list of them).
    """

    name: str
    error: str = ""
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return not self.error

    def picture(self, name: str) -> np.ndarray:
        """An output of `files` as pixels, such as the mask `[H, W]` in `mask_bytes`."""
        return np.asarray(Image.open(io.BytesIO(self.files[name])))


class Client:
    """A served model.

    Requests are sent again where that is safe and may help: connection refused or broken, 503, 429 (see `retrying`).

    Args:
        url: `http://HOST:8501` or `grpc://HOST:8500`, also with `/v1/models/NAME`, `/versions/N` or `/labels/L`.
        model: The model's name, where the URL has none.
        signature_name: The function that takes encoded images.
        timeout_s: Longest time for one chunk, with all its attempts.
        chunk: Images in a request.
        retries: Attempts after the first.

    Raises:
        UsageError: If the address or a number is not one, or gRPC is not installed.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        signature_name: str = "serving_default",
        timeout_s: float = 60.0,
        chunk: int = 16,
        retries: int = 4,
    ) -> None:
        if chunk < 1 or retries < 0 or not timeout_s > 0:
            raise UsageError(f"chunk={chunk}, retries={retries}, timeout_s={timeout_s}: give at least one image, no attempts below 0, and some time")
        self.address = address.parse(url, model)
        self._signature_name, self._timeout_s, self._chunk, self._retries = signature_name, timeout_s, chunk, retries
        self._transport = _transport(self.address)
        self._served: Served | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def status(self) -> dict[str, Any]:
        """How the model's versions are.

        Returns:
            As the REST API has it: `model_version_status`, a list of `version`, `state` and `status`.

        Raises:
            ClientError: If the server can't be reached, or has no such model.
        """
        return self._persist(self._transport.status)

    def metadata(self) -> dict[str, Any]:
        """What the model takes and gives.

        Returns:
            As the REST API has it: `model_spec` with the version, and `metadata` with the signatures.

        Raises:
            ClientError: If the server can't be reached, or has no such model.
        """
        return self._persist(self._transport.metadata)

    def predict(self, images: Iterable[Picture]) -> list[Answer]:
        """Sends images, in chunks.

        Args:
            images: Files, encoded images or arrays.

        Returns:
            An answer for each, in their order; for an image that can't be read it is an error, and the others are answered.

        Raises:
            ClientError: If the server can't be reached or fails, or its model takes no encoded images.
        """
        return list(self.answers(images))

    def answers(self, images: Iterable[Picture]) -> Iterator[Answer]:
        """As `predict`, an answer at a time: a chunk of images is in memory, not all of them."""
        if self._served is None:
            self._served = signature.served(self.metadata(), self._signature_name, str(self.address))
        numbered = enumerate(images)
        while chunk := list(itertools.islice(numbered, self._chunk)):
            yield from self._chunk_answers(chunk, self._served)

    def _chunk_answers(self, chunk: Sequence[tuple[int, Picture]], served: Served) -> Iterator[Answer]:
        names = [_name(number, image) for number, image in chunk]
        contents = [_encoded(image) for _, image in chunk]
        sent = iter(self._rows(served, [content for content in contents if isinstance(content, bytes)]))
        for name, content in zip(names, contents, strict=True):
            yield Answer(name, content) if isinstance(content, str) else _answer(name, next(sent))

    def _rows(self, served: Served, images: list[bytes]) -> list[dict[str, Any] | str]:
        """The outputs for each image, or the error of the one that the server refuses: it is found by sending halves."""
        if not images:
            return []
        try:
            rows = self._persist(lambda left_s: self._transport.predict(served, images, left_s))
        except RefusedError as error:
            if len(images) == 1:
                return [str(error)]
            half = len(images) // 2
            return [*self._rows(served, images[:half]), *self._rows(served, images[half:])]
        return list(rows)

    def _persist(self, send: Callable[[float], T]) -> T:
        return retrying.persist(send, timeout_s=self._timeout_s, retries=self._retries)


def _transport(place: address.Address) -> Transport:
    if place.scheme != "grpc":
        return Rest(place)
    from kvision_export.serving.over_grpc import Grpc  # brings TensorFlow

    return Grpc(place)


def _name(number: int, image: Picture) -> str:
    return str(image) if isinstance(image, str | Path) else f"image {number}"


def _encoded(image: Picture) -> bytes | str:
    """The bytes to send, or why there are none."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, np.ndarray):
        grey = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
        if image.dtype != np.uint8 or not (grey.ndim == 2 or (grey.ndim == 3 and grey.shape[-1] == 3)) or image.size == 0:
            return f"an array {image.dtype} {list(image.shape)} is no picture; give uint8 [H, W, 3] or [H, W]"
        held = io.BytesIO()
        Image.fromarray(grey).save(held, "PNG", compress_level=1)
        return held.getvalue()
    try:
        return Path(image).read_bytes()
    except OSError as error:
        return f"{image}: can't be read ({error.strerror or error})"


def _answer(name: str, row: dict[str, Any] | str) -> Answer:
    if isinstance(row, str):
        return Answer(name, f"{name}: {row}")
    ok = row.get("ok")
    if isinstance(ok, np.ndarray) and ok.dtype == np.bool_ and not ok.all():
        return Answer(name, f"{name}: the server could not read this picture; is it a whole JPEG, PNG, GIF, BMP or WebP file, and not too large?")
    files = {key: value for key, value in row.items() if key.endswith(signature.BYTES)}
    return Answer(name, "", {key: value for key, value in row.items() if key not in files}, files)


__all__ = ["Answer", "Client", "ClientError", "Picture", "RefusedError"]
