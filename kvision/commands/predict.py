"""`kvision predict`: masks, overlays and a JSON file for pictures of any kind and size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kvision.commands import pictures, trained
from kvision.core import progress
from kvision.core.disk import writing
from kvision.core.errors import DataError
from kvision.data import decode, palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.data.source import DataInfo

PREDICTIONS = "predictions.json"


def run(
    source: str | Path,
    inputs: Sequence[str],
    *,
    out: str | Path | None = None,
    weights: str = "best",
    tile: int | None = None,
    overlap: int | None = None,
    devices: str = "auto",
    precision: str | None = None,
    json_lines: bool = False,
) -> None:
    """Predicts pictures: for each an indexed PNG mask of its own size and an overlay; for all of them predictions.json.

    Args:
        source: A run folder, a checkpoint in it, its `model.keras`, or a bundle, a SavedModel or a `.tflite` file exported from it.
        inputs: Files, folders (searched through) and globs.
        out: Where to write, a new or an empty folder; none: `predictions/<n>` in the run folder.
        weights: `best`, `last` or `ema`.
        tile: Side of a tile, for runs with `data.fit=crop`; none: 512 px, for large pictures only.
        overlap: Overlap of neighbouring tiles; none: a quarter of the tile.
        devices: As `--devices`.
        precision: `fp32`, `bf16` or `fp16`; none: as the run was trained.
        json_lines: One JSON object a picture on the standard output.

    Raises:
        UsageError: If an input does not exist, or holds no picture.
        RunError: If the run can't be used, or `out` holds files.
        DataError: At the end, if some of the pictures could not be read.
    """
    found = trained.find(Path(source), weights)
    if found.exported is not None and found.gone:
        raise found.exported.missing("use kvision-edge, which needs the bundle alone")
    files = pictures.collect(inputs)
    folder = pictures.fresh(out, found.home / "predictions")
    from kvision.engine.dense import Dense  # brings TensorFlow: after the quick mistakes

    session = trained.open_session(found, narrow=trained.recorded(found.run), devices=devices, precision=precision)
    info = session.pipeline.info
    if found.exported is not None and session.pipeline.preprocess.fit == "crop":
        tile = tile or session.pipeline.preprocess.size_px  # the only size that an exported file takes
    dense = Dense(session, tile_px=tile, overlap_px=overlap)
    entries: list[dict[str, Any]] = []
    with writing(folder, "the predictions", "--out"), progress.Count("predicting", len(files)) as count:
        folder.mkdir(parents=True, exist_ok=True)
        for file, name in zip(files, pictures.stems(files), strict=True):
            try:
                image = decode.rgb(file)
                entries.append({"file": str(file), **write_one(image, dense.classes(image), folder, name, info)})
            except DataError as error:
                entries.append({"file": str(file), "error": str(error)})
            if json_lines:
                print(json.dumps(entries[-1]), flush=True)
            count.at(len(entries))
        facts = {"run": str(found.run), "weights": str(found.origin), "kind": found.kind, "class_names": info.class_names, "images": entries}
        (folder / PREDICTIONS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    pictures.tell(entries, folder / PREDICTIONS, ("predicted", "could not be read"), quiet=json_lines)


def write_one(image: np.ndarray, classes: np.ndarray, folder: Path, name: str, info: DataInfo) -> dict[str, Any]:
    """Writes mask and overlay of one picture.

    Args:
        image: uint8 `[H, W, 3]`.
        classes: uint8 `[H, W]`.
        folder: Where to.
        name: Their files' stem.
        info: Names and colours of the classes.

    Returns:
        What predictions.json says of the picture: `mask`, `overlay`, `width`, `height`, `classes` {name: share of the pixels}.
    """
    height, width = classes.shape
    mask = Image.frombytes("P", (width, height), np.ascontiguousarray(classes).tobytes())
    mask.putpalette([value for colour in info.palette for value in colour])
    mask.save(folder / f"{name}.mask.png", optimize=True)
    Image.fromarray(palette.overlay(image, classes, info.palette)).save(folder / f"{name}.overlay.png")
    counts = np.bincount(classes.ravel(), minlength=info.num_classes)
    shares = {class_name: round(float(count / classes.size), 6) for class_name, count in zip(info.class_names, counts, strict=False) if count}
    return {"mask": f"{name}.mask.png", "overlay": f"{name}.overlay.png", "width": width, "height": height, "classes": shares}
