"""`kvision lr-find`: how the loss takes a growing learning rate, and which rate follows from it. Leaves no trace but its picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kvision import catalog
from kvision.core.disk import writing
from kvision.core.errors import UsageError
from kvision.core.jsonable import jsonable
from kvision.core.progress import Count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.engine.session import Session


def run(
    source: str | Path,
    overrides: Sequence[str] = (),
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    out: str | Path = "lr-find.png",
    smoke: bool = False,
    devices: str = "auto",
    precision: str | None = None,
    json_lines: bool = False,
) -> None:
    """Makes the range test and prints its curve and the rate that it suggests.

    Args:
        source: A recipe's file, the name of a shipped recipe, or a run folder: then the test begins with the run's last weights, and nothing in
            the folder changes.
        overrides: `key=value` texts, for a recipe.
        low: First learning rate.
        high: Last learning rate.
        steps: Training steps between them.
        out: The picture to write; one that is there already is replaced.
        smoke: Whether the recipe's `smoke` section is applied.
        devices: As `--devices`.
        precision: `fp32`, `bf16` or `fp16`; none: fp32, or as the run was trained.
        json_lines: One JSON object instead of the text.

    Raises:
        UsageError: If the rates are in the wrong order, options of a recipe are given for a run, or nothing is learnt.
        RecipeError: With every problem of the recipe.
        DataError: If the data can't be used.
        RunError: If the run has no weights, or the picture can't be written.
    """
    if not 0 < low < high:
        raise UsageError(f"--low {low:g} --high {high:g}: the range must grow from a rate above 0; use --low 1e-6 --high 10, for example")
    is_run = (Path(source) / "resolved.json").is_file()
    if is_run and (overrides or smoke):
        given = "--smoke" if smoke else overrides[0]
        raise UsageError(f"{given}: {source} is a run, whose recipe stands; leave it out, or give the recipe {Path(source) / 'recipe.yaml'}")
    session = _of_run(Path(source), devices, precision) if is_run else _of_recipe(source, overrides, smoke, devices, precision)
    from kvision.engine import lr_range
    from kvision.engine.session import learns
    from kvision.report import lr_curve

    if not learns(session.system):
        raise UsageError(f"{source}: nothing is learnt step by step here, so that there is no rate to find; train it as it is")
    with Count("training with a growing rate", steps) as count:
        found = lr_range.run(session, low=low, high=high, steps=steps, told=count.at)
    curve = lr_curve.Curve(found.rates, found.losses, found.smoothed, found.steepest, found.tenth, found.suggestion, session.recipe.optim.lr)
    with writing(Path(out), "the picture", "--out"):
        curve.save(Path(out))
    if json_lines:
        print(json.dumps(jsonable({**curve.facts(), "diverged": found.diverged, "picture": str(out)})))
    else:
        print(curve.text())
        print(f"picture: {out}")


def _of_recipe(recipe: str | Path, overrides: Sequence[str], smoke: bool, devices: str, precision: str | None) -> Session:
    """A session with the weights that a training begins with."""
    resolved = catalog.load(recipe, overrides, smoke)
    print("building data and model …", file=sys.stderr, flush=True)
    from kvision.engine import session

    made = resolved.recipe
    return session.open_session(
        resolved,
        catalog.system(made.system),
        catalog.source(made.data.source),
        devices=devices,
        precision_name=precision or "fp32",
        training=False,
        begin=True,
    )


def _of_run(run_dir: Path, devices: str, precision: str | None) -> Session:
    """A session of a run's last weights, with the run's own preprocessing."""
    from kvision.commands import trained

    return trained.open_session(trained.find(run_dir, "last"), devices=devices, precision=precision)
