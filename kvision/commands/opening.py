"""From a recipe, or from a run folder, to a session: where the catalogue meets the engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kvision import catalog
from kvision.engine import checkpoint, session

if TYPE_CHECKING:
    from kvision.core.resolve import Resolved
    from kvision.data.preprocess import Preprocess


def open_recipe(
    resolved: Resolved,
    *,
    devices: str = "auto",
    precision: str = "fp32",
    deterministic: bool = False,
    training: bool = True,
    preprocess: Preprocess | None = None,
) -> session.Session:
    """Builds what a recipe describes.

    Args:
        resolved: The resolved recipe.
        devices: As `--devices`.
        precision: `fp32`, `bf16` or `fp16`.
        deterministic: As `--deterministic`.
        training: Whether optimizers and the like are wanted.
        preprocess: The preprocessing of an earlier run; none: statistics are taken from the training split.

    Returns:
        The session, its weights fresh.
    """
    recipe = resolved.recipe
    return session.open_session(
        resolved,
        catalog.system(recipe.system),
        catalog.source(recipe.data.source),
        devices=devices,
        precision_name=precision,
        deterministic=deterministic,
        training=training,
        preprocess=preprocess,
    )


def open_run(
    run: str | Path, weights: str = "best", *, devices: str = "auto", precision: str = "fp32", resolved: Resolved | None = None
) -> tuple[session.Session, checkpoint.Checkpoint]:
    """Opens a run for evaluation or prediction.

    Args:
        run: A run folder, or one of its checkpoints, `RUN/checkpoints/step-00000123`.
        weights: `best`, `last` or `ema`; see `kvision.engine.session.restore`.
        devices: As `--devices`.
        precision: `fp32`, `bf16` or `fp16`.
        resolved: The recipe to open it with, where that is not the run's own.

    Returns:
        The session with the run's weights and preprocessing, without a training part, and the checkpoint that they came from.

    Raises:
        RunError: If there is no such run or checkpoint, it is damaged, or its weights belong to another model.
    """
    run_dir = root(Path(run))
    resolved = resolved or catalog.from_run(run_dir)
    opened = open_recipe(resolved, devices=devices, precision=precision, training=False, preprocess=session.recorded_preprocess(run_dir))
    return opened, session.restore(opened, Path(run), weights)


def root(run: Path) -> Path:
    """The run folder that a path means: itself, or the one that a checkpoint lies in."""
    return run.parent.parent if checkpoint.FOLDER.fullmatch(run.name) else run
