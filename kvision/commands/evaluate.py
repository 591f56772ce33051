"""`kvision eval`: metrics, tables and pictures of a trained model, on the run's own data or on the user's."""

from __future__ import annotations

import functools
import json
import operator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from kvision import catalog
from kvision.commands import trained
from kvision.core import paths, progress, words
from kvision.core.errors import RunError, UsageError
from kvision.core.jsonable import jsonable
from kvision.engine import runfolder
from kvision.metrics import episodes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kvision.core.resolved import Resolved
    from kvision.data.source import Source, SplitName
    from kvision.engine.evaluation import Evaluation

_KEPT = ("size_px", "batch", "fit", "cache", "on_error")
"""Data options that belong to the model or the machine, and stay the run's own on other data."""
_MOST_CLASSES = 40


def run(
    source: str | Path,
    *,
    data: str | None = None,
    split: SplitName = "val",
    weights: str = "best",
    out: str | Path | None = None,
    devices: str = "auto",
    precision: str | None = None,
    json_lines: bool = False,
    overrides: Sequence[str] = (),
) -> None:
    """Evaluates a trained model: prints the metrics, and writes evaluation.json and pictures.

    Args:
        source: A run folder, a checkpoint in it, its `model.keras`, or a bundle, a SavedModel or a `.tflite` file exported from it.
        data: A labelled folder of the user's (`images` and `masks`, a folder a class, captions), all of it evaluated; or a recipe, whose data is
            used; none: the run's own.
        split: `val`, `train` or `test`, without augmentation.
        weights: `best`, `last` or `ema`.
        out: Where to write; none: `eval/<weights>-<split or data>` in the run folder, which of an exported file is the one it came from.
        devices: As `--devices`.
        precision: `fp32`, `bf16` or `fp16`; none: as the run was trained.
        json_lines: One JSON object instead of the tables.
        overrides: `data.key=value` texts, such as `'data.mask_values={0: 0, 255: 1}'`.

    Raises:
        UsageError: If the arguments do not fit.
        RunError: If the run can't be used, or `out` holds an evaluation.
        DataError: If the data can't be used.
    """
    if split not in ("train", "val", "test"):
        raise UsageError(f"--split {split}: accepted are train, val, test")
    found = trained.find(Path(source), weights)
    resolved = _resolve(found, data, overrides)
    if out is not None and (Path(out) / "evaluation.json").exists():
        raise RunError(f"--out {out}: already holds an evaluation, which is not overwritten; give a new folder, or leave --out out")
    folder = Path(out) if out is not None else paths.unused(found.home / "eval" / f"{found.name}-{Path(data).stem if data else split}")
    narrow = _narrow(split, whole=data is not None and Path(data).is_dir())
    from kvision.engine import evaluation  # brings TensorFlow: after the quick mistakes

    session = trained.open_session(found, resolved=resolved, narrow=narrow, devices=devices, precision=precision)
    with progress.Count("evaluating", session.pipeline.val_steps) as count:
        result = evaluation.write(session, folder, progress=lambda done, total: count.at(done), option="--out", films=True)
    if json_lines:
        facts = {
            "run": str(found.run),
            "weights": str(found.origin),
            "kind": found.kind,
            "data": data or split,
            "count": result.count,
            "out": str(folder),
        }
        print(json.dumps({**facts, "metrics": jsonable(result.metrics)}))
        return
    _show(result, session.pipeline.info.class_names)
    print(f"{result.count} examples; pictures and tables: {folder}")


def _resolve(found: trained.Trained, data: str | None, overrides: Sequence[str]) -> Resolved:
    """The run's recipe with other data; of an exported file whose run is gone, the recipe that was given."""
    if found.exported is not None and found.gone:
        if data is None or Path(data).is_dir():
            raise found.exported.missing("give --data RECIPE with the recipe that it was trained by")
        return catalog.load(data, overrides)
    run_dir = found.run
    own = catalog.from_run(run_dir)
    if data is None and not overrides:
        return own
    values = own.values()
    base = own.base
    kept = {name: values["data"][name] for name in _KEPT if name in values["data"]}
    if data is not None and Path(data).is_dir():
        source = catalog.system(values["system"]).folder_source
        mine = values["data"] if values["data"]["source"] == source else {"classes": None}
        if mine.get("classes") is None and not mine.get("colours"):
            mine = {**mine, "classes": runfolder.read_json(run_dir / runfolder.DATA)["class_names"]}
        given = {**mine, **kept, "source": source, "path": str(Path(data).resolve()), "train_list": None, "val_list": None}
        values["data"] = {name: value for name, value in given.items() if name in catalog.source(source).Options.model_fields}
    elif data is not None:
        other = catalog.load(data)
        values["data"], base = {**other.values()["data"], **kept}, other.base
    late = () if found.exported is not None else catalog.system(values["system"]).late  # exported files have theirs built in
    for text in overrides:
        _assign(values, text, late)
    return _validated(own, values, base)


def _assign(values: dict[str, Any], text: str, late: Sequence[str]) -> None:
    """Puts `key=value` into the values: an option of the data, or one below the sections `late`, as `System.late` has them."""
    from kvision.core import overrides

    override = overrides.parse(text)
    section, *rest = override.path
    if ".".join(override.path[:-1]) in late:
        functools.reduce(operator.getitem, override.path[:-1], values)[override.path[-1]] = override.value
        return
    if section != "data" or len(rest) != 1:
        raise UsageError(f"{text}: only options of the data{_also(late)} can be set here, such as data.val_size=100; the model is the run's own")
    if rest[0] in ("size_px", "fit"):
        raise UsageError(f"{text}: the model was trained with data.{rest[0]}={values['data'][rest[0]]}; train another one for another value")
    if rest[0] == "colours":
        values["data"]["classes"] = None  # the colours name the classes
    values["data"][rest[0]] = override.value


def _also(sections: Sequence[str]) -> str:
    return f" and of {', '.join(sections)}" if sections else ""


def _validated(own: Resolved, values: dict[str, Any], base: Path) -> Resolved:
    from pydantic import ValidationError

    from kvision.core import faults, resolved

    try:
        return resolved.from_json({**resolved.to_json(own), "values": values, "base": str(base)}, catalog.sections)
    except ValidationError as error:
        narrowed = catalog.sections(values["system"], values["data"]["source"]).recipe
        reasons = "\n".join(f"{fault.dotted}: {fault.message}" for fault in faults.translate(error.errors(), narrowed, values))
        raise UsageError(reasons) from error


def _narrow(split: SplitName, *, whole: bool) -> Callable[[type[Source]], type[Source]]:
    """The chosen split as the one to evaluate; of a folder without splits, all of it."""
    chosen = trained.only(split)
    everything = trained.every(split)
    return (lambda source: chosen(everything(source))) if whole else chosen


def _show(result: Evaluation, class_names: Sequence[str]) -> None:
    console = Console()
    table = Table("metric", box=None, header_style="bold", pad_edge=False)
    table.add_column("value", justify="right")
    for name, value in episodes.texts(result.metrics).items():
        table.add_row(name, value)
    console.print(table, "")
    columns = result.tables.get("per_class") or {}
    if not columns or len(class_names) > _MOST_CLASSES:
        return
    table = Table("class", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for place, name in enumerate(class_names):
        table.add_row(name, *(words.number(values[place].item()) for values in columns.values()))
    console.print(table, "")
