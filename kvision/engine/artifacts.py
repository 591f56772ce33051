"""What a finished run leaves for others: Keras weights of the last step, of the best epoch and averaged, and the best model as a .keras file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision.core.disk import writing
from kvision.engine import runfolder
from kvision.engine.session import Session, restore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEIGHTS = "weights"


def write(session: Session, run_dir: Path) -> None:
    """Writes `weights/{last,ema,best}.weights.h5` and `model.keras`; afterwards the session's networks hold the best weights.

    Where a system has several networks, those after the first get files of their own, such as `last-critic.weights.h5`. The chief writes.

    Args:
        session: As the training left it.
        run_dir: The run folder.

    Raises:
        RunError: If a file can't be written, or the best checkpoint is damaged.
    """
    if not session.workers.chief:
        restore(session, run_dir, "best")
        return
    with writing(run_dir, "the weights"):
        (run_dir / WEIGHTS).mkdir(exist_ok=True)
        _save_weights(session, run_dir, "last")
        if session.training is not None and session.training.ema is not None:
            with session.training.ema.swapped():
                _save_weights(session, run_dir, "ema")
        restore(session, run_dir, "best")
        _save_weights(session, run_dir, "best")
        _whole(run_dir / runfolder.MODEL, session.system.net.save)


def _save_weights(session: Session, run_dir: Path, kind: str) -> None:
    for number, (role, net) in enumerate(session.system.networks.items()):
        name = f"{kind}.weights.h5" if number == 0 else f"{kind}-{role}.weights.h5"
        _whole(run_dir / WEIGHTS / name, net.save_weights)


def _whole(path: Path, save: Callable[[Path], None]) -> None:
    """Saves under a temporary name and renames; Keras goes by the ending."""
    temporary = path.with_name(f".tmp-{path.name}")
    try:
        save(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
