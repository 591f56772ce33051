"""`kvision predict`: what a model says of pictures of any kind and size, as pictures and as a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision import catalog
from kvision.commands import pictures, trained
from kvision.core import progress
from kvision.core.disk import writing
from kvision.core.errors import DataError, UsageError
from kvision.data import decode
from kvision.data.source import PICTURE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kvision.engine.session import Session
    from kvision.engine.system import Prediction

PREDICTIONS = "predictions.json"


def run(
    source: str | Path,
    inputs: Sequence[str],
    *,
    out: str | Path | None = None,
    weights: str = "best",
    tile: int | None = None,
    overlap: int | None = None,
    heatmap: bool = False,
    episodes: int | None = None,
    seed: int | None = None,
    record: str | None = None,
    devices: str = "auto",
    precision: str | None = None,
    json_lines: bool = False,
) -> None:
    """Predicts pictures: for each what `System.prediction` keeps, such as a mask and an overlay; for all of them predictions.json. An agent plays.

    Args:
        source: A run folder, a checkpoint in it, its `model.keras`, or a bundle, a SavedModel or a `.tflite` file exported from it.
        inputs: Files, folders (searched through) and globs.
        out: Where to write, a new or an empty folder; none: `predictions/<n>` in the run folder.
        weights: `best`, `last` or `ema`.
        tile: Side of a tile, for masks of runs with `data.fit=crop`; none: 512 px, for large pictures only.
        overlap: Overlap of neighbouring tiles; none: a quarter of the tile.
        heatmap: Whether to show where in a picture its best class is, and to keep the map of logits.
        episodes: How many an agent plays; none: three.
        seed: Of the first one; none: 0.
        record: File for an agent's steps, in place of films.
        devices: As `--devices`.
        precision: `fp32`, `bf16` or `fp16`; none: as the run was trained.
        json_lines: One JSON object a picture on the standard output.

    Raises:
        UsageError: If an input does not exist, or holds no picture, or there is no heat map to be had, or the system takes no pictures.
        RunError: If the run can't be used, or `out` holds files.
        DataError: At the end, if some of the pictures could not be read.
    """
    found = trained.find(Path(source), weights)
    if found.exported is not None and found.gone:
        raise found.exported.missing("use kvision-edge, which needs the bundle alone")
    if heatmap and found.exported is not None:
        raise UsageError(f"--heatmap: {source} takes pictures of one size only; give the run that it was exported from")
    system = catalog.system(catalog.from_run(found.run).recipe.system)
    if system.plays:
        told = {"episodes": episodes, "seed": seed, "out": out, "devices": devices, "precision": precision, "json_lines": json_lines}
        _play(found, inputs, record, told)
        return
    if episodes is not None or seed is not None or record is not None:
        raise UsageError(f"--episodes, --seed and --record are for agents; {source} takes {system.given}: leave them out")
    given = system.given
    if given != PICTURE:
        raise UsageError(f"{source}: its system takes {given}, and only pictures can be predicted here; `kvision eval {source}` shows examples")
    files = pictures.collect(inputs)
    folder = pictures.fresh(out, found.home / "predictions")
    session = trained.open_session(found, narrow=trained.recorded(found.run), devices=devices, precision=precision)
    predictor = _predictor(session, tile, overlap, exported=found.exported is not None)
    heat = session.system.heat(session.pipeline.preprocess) if heatmap else None
    entries: list[dict[str, Any]] = []
    with writing(folder, "the predictions", "--out"), progress.Count("predicting", len(files)) as count:
        folder.mkdir(parents=True, exist_ok=True)
        for file, name in zip(files, pictures.stems(files), strict=True):
            try:
                image = decode.rgb(file)
                output = predictor(image)
                entry = {"file": str(file), **write_one(session.system.prediction(image, output), folder, name)}
                entries.append(entry | write_one(heat(image, output), folder, name) if heat else entry)
            except DataError as error:
                entries.append({"file": str(file), "error": str(error)})
            if json_lines:
                print(json.dumps(entries[-1]), flush=True)
            count.at(len(entries))
        names = session.pipeline.info.class_names
        facts = {"run": str(found.run), "weights": str(found.origin), "kind": found.kind, "class_names": names, "images": entries}
        (folder / PREDICTIONS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    pictures.tell(entries, folder / PREDICTIONS, ("predicted", "could not be read"), quiet=json_lines)


def write_one(found: Prediction, folder: Path, name: str) -> dict[str, Any]:
    """Writes the pictures, arrays and films of one prediction.

    Args:
        found: What is kept.
        folder: Where to.
        name: Their files' stem.

    Returns:
        What predictions.json says of it: the file of each kind of picture, array and film, and the facts.
    """
    files = {kind: f"{name}.{kind}.png" for kind in found.pictures}
    for film in found.films.values():
        files |= film.save(folder / name)
    for kind, picture in found.pictures.items():
        picture.save(folder / files[kind], optimize=picture.mode == "P")
    for kind, array in found.arrays.items():
        files[kind] = f"{name}.{kind}.npy"
        np.save(folder / files[kind], array)
    return {**files, **found.facts}


def _play(found: trained.Trained, inputs: Sequence[str], record: str | None, told: dict[str, Any]) -> None:
    """An agent's episodes, as films or as arrays."""
    from kvision.commands import play, recording

    if record is None:
        play.run(found, inputs, **told)
    else:
        recording.run(found, inputs, record, **told)


def _predictor(session: Session, tile: int | None, overlap: int | None, *, exported: bool) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """What says of a picture uint8 `[H, W, 3]` what `System.prediction` needs."""
    from kvision.engine.dense import Dense
    from kvision.engine.single import Single

    if not session.system.dense:
        if tile or overlap:
            raise UsageError(f"--tile and --overlap are for masks; {session.recipe.system} answers for whole pictures: leave the options out")
        return Single(session)
    preprocess = session.pipeline.preprocess
    if exported and preprocess.fit == "crop":
        tile = tile or preprocess.size_px  # the only size that an exported file takes
    return Dense(session, tile_px=tile, overlap_px=overlap)
