"""`kvision client`: sends pictures to a server, and writes its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvision.commands import pictures
from kvision.core import progress
from kvision.core.disk import writing
from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision_export.serving.client import Answer

ANSWERS = "answers.json"
_KINDS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"BM": "bmp"}


def run(
    url: str,
    inputs: Sequence[str],
    *,
    model: str | None = None,
    out: str | Path | None = None,
    grpc: bool = False,
    signature: str = "serving_default",
    chunk: int = 16,
    timeout_s: float = 60.0,
    retries: int = 4,
    json_lines: bool = False,
) -> None:
    """Sends pictures to a served model, and writes answers.json and the pictures in the answers.

    Args:
        url: `http://HOST:8501`, `grpc://HOST:8500`, or the same with `/v1/models/NAME`; `HOST:PORT` alone is REST.
        inputs: Files, folders (searched through) and globs.
        model: The model's name, where the URL has none.
        out: Where to write, a new or an empty folder; none: `answers/<n>`.
        grpc: `HOST:PORT` alone is gRPC.
        signature: The function that takes encoded images.
        chunk: Pictures in a request.
        timeout_s: Longest time for one chunk, with all its attempts.
        retries: Attempts after the first.
        json_lines: One JSON object a picture on the standard output.

    Raises:
        UsageError: If an input does not exist, or the address is none.
        RunError: If `out` holds files.
        DataError: At the end, if some of the pictures were not answered.
    """
    if grpc and "://" in url and not url.startswith("grpc://"):
        raise UsageError(f"--grpc with {url}: give grpc://HOST:8500, or HOST:8500 and --grpc")
    files = pictures.collect(inputs)
    folder = pictures.fresh(out, Path("answers"))
    from kvision_export.serving.client import Client

    entries: list[dict[str, Any]] = []
    names = pictures.stems(files)
    at = url if "://" in url or not grpc else f"grpc://{url}"
    with (
        Client(at, model, signature_name=signature, chunk=chunk, timeout_s=timeout_s, retries=retries) as client,
        writing(folder, "the answers", "--out"),
        progress.Count("asking", len(files)) as count,
    ):
        version = client.metadata()["model_spec"]["version"]
        folder.mkdir(parents=True, exist_ok=True)
        for name, answer in zip(names, client.answers(files), strict=True):
            entries.append(_entry(answer, folder, name))
            if json_lines:
                print(json.dumps(entries[-1]), flush=True)
            count.at(len(entries))
        facts = {"server": str(client.address), "version": version, "signature": signature, "images": entries}
        (folder / ANSWERS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    pictures.tell(entries, folder / ANSWERS, ("answered", "were not answered"), quiet=json_lines)


def _entry(answer: Answer, folder: Path, stem: str) -> dict[str, Any]:
    """What answers.json says of a picture: plain values, and the names of the files that its bytes went to."""
    if not answer.ok:
        return {"file": answer.name, "error": answer.error}
    entry: dict[str, Any] = {"file": answer.name}
    for name, array in answer.arrays.items():
        entry[name] = array.tolist()
    for name, content in answer.files.items():
        entry[name] = _write(content, folder, f"{stem}.{name.removesuffix('_bytes')}")
    return entry


def _write(content: Any, folder: Path, stem: str) -> Any:
    if isinstance(content, list):
        return [_write(each, folder, f"{stem}-{number}") for number, each in enumerate(content)]
    kind = next((suffix for start, suffix in _KINDS.items() if content.startswith(start)), "bin")
    (folder / f"{stem}.{kind}").write_bytes(content)
    return f"{stem}.{kind}"
