"""Stop when the monitored metric no longer improves. No TensorFlow here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kvision.engine.events import Action, EpochEnded, Event
from kvision.engine.system import is_better

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kvision.engine.events import Row
    from kvision.engine.system import Mode


class EarlyStop(Action):
    """Asks for the end after `patience` epochs without a new best; it knows the epochs before a resume from their rows.

    Args:
        patience: Epochs without improvement, at least 1.
        column: Column of metrics.csv to look at, such as `val/miou`.
        mode: Whether the greatest or the smallest value is the best.
        rows: The rows written before this process began.
    """

    def __init__(self, patience: int, column: str, mode: Mode, rows: Iterable[Row] = ()) -> None:
        self._patience = patience
        self._column = column
        self._mode = mode
        self._best = math.nan
        self._waited = 0
        for row in rows:
            self._look(row)

    def on_event(self, event: Event) -> None:
        """Looks at the metrics of each epoch."""
        if isinstance(event, EpochEnded):
            self._look(event.row)

    def _look(self, row: Row) -> None:
        value = float(row[self._column])
        if is_better(value, self._best, self._mode):
            self._best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited >= self._patience:
            self.stop_reason = f"{self._column} has not improved on {self._best:.4f} for {self._waited} epochs"
