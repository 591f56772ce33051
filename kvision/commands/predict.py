"""`kvision predict`: masks, overlays and a JSON file for pictures of any kind and size."""

from __future__ import annotations

import glob
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kvision.commands import trained
from kvision.core import progress
from kvision.core.disk import writing
from kvision.core.errors import DataError, RunError, UsageError
from kvision.core.names import did_you_mean
from kvision.data import decode, palette

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision.data.source import DataInfo

PREDICTIONS = "predictions.json"
_WILD = "*?["


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
    files = collect(inputs)
    folder = fresh(out, found.home / "predictions")
    from kvision.engine.dense import Dense  # brings TensorFlow: after the quick mistakes

    session = trained.open_session(found, narrow=trained.recorded(found.run), devices=devices, precision=precision)
    info = session.pipeline.info
    if found.exported is not None and session.pipeline.preprocess.fit == "crop":
        tile = tile or session.pipeline.preprocess.size_px  # the only size that an exported file takes
    dense = Dense(session, tile_px=tile, overlap_px=overlap)
    entries: list[dict[str, Any]] = []
    with writing(folder, "the predictions", "--out"), progress.Count("predicting", len(files)) as count:
        folder.mkdir(parents=True, exist_ok=True)
        for file, name in zip(files, stems(files), strict=True):
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
    tell(entries, folder / PREDICTIONS, ("predicted", "could not be read"), quiet=json_lines)


def collect(inputs: Sequence[str]) -> list[Path]:
    """The pictures that files, folders and globs stand for, each once, in the order given; folders and globs sorted.

    Args:
        inputs: What the user gave.

    Returns:
        At least one file.

    Raises:
        UsageError: If one of the inputs does not exist, or holds no picture.
    """
    found: dict[Path, None] = {}
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in decode.SUFFIXES and file.is_file())
            if not files:
                raise UsageError(f"{given}: no pictures in this folder; looked for {', '.join(sorted(decode.SUFFIXES))}, in sub-folders, too")
        elif path.exists():
            files = [path]
        elif any(sign in given for sign in _WILD):
            files = sorted(
                Path(match)
                for match in glob.glob(given, recursive=True)  # noqa: PTH207 - absolute and relative alike
                if Path(match).is_file()
            )
            if not files:
                raise UsageError(f"{given}: no file matches; ** goes through sub-folders")
        else:
            beside = [str(file) for file in path.parent.iterdir()] if path.parent.is_dir() else []
            raise UsageError(f"{given}: no such file or folder; give pictures, folders or globs{did_you_mean(given, beside)}")
        found |= dict.fromkeys(files)
    if not found:
        raise UsageError("no input; give pictures, folders or globs, e.g. `kvision predict runs/unet photo.jpg 'holiday/*.png'`")
    return list(found)


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


def stems(files: Sequence[Path]) -> list[str]:
    """A name for what is written of each file; files of one name get numbers."""
    used: dict[str, None] = {}
    for file in files:
        candidates = (file.stem if number == 1 else f"{file.stem}-{number}" for number in range(1, len(files) + 1))
        used[next(name for name in candidates if name not in used)] = None
    return list(used)


def fresh(out: str | Path | None, parent: Path) -> Path:
    """The folder to write into, in which nothing can be overwritten.

    Args:
        out: What the user gave; none: the next number in `parent`.
        parent: Folder of numbered folders.

    Returns:
        A new or an empty folder.

    Raises:
        RunError: If it holds files.
    """
    if out is None:
        taken = [int(path.name) for path in parent.glob("*") if path.name.isdigit()]
        return parent / str(max(taken, default=0) + 1)
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"--out {out}: holds files, which are not overwritten; give a new folder, or leave --out out for {parent}/<n>")
    return folder


def tell(entries: Sequence[Mapping[str, Any]], written: Path, words: tuple[str, str], *, quiet: bool) -> None:
    """Says how many pictures are done, and which are not.

    Args:
        entries: One a picture, with an `error` where something went wrong.
        written: The file that holds them all.
        words: What was done to pictures, and what became of the others.
        quiet: Whether to say errors only.

    Raises:
        DataError: If some are not done; names the first of them.
    """
    done, missed = words
    failed = [entry["error"] for entry in entries if "error" in entry]
    if not quiet:
        print(f"{len(entries) - len(failed)} pictures {done}: {written.parent}")
    if failed:
        listed = "\n".join(f"  {error}" for error in failed[:5]) + (f"\n  and {len(failed) - 5} more" if len(failed) > 5 else "")
        raise DataError(f"{len(failed)} of {len(entries)} pictures {missed}, the others are done; {written} names them:\n{listed}")
