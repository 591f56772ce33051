"""What a command says of trainings that it has others do."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from kvision.core import words

if TYPE_CHECKING:
    from kvision.engine.signals import StopRequest


class Told:
    """A line on the standard error for each training that ends, or JSON on the standard output.

    Args:
        total: How many will be trained.
        as_json: JSON lines.
        stop: Whether somebody pressed Ctrl-C.
    """

    def __init__(self, total: int, as_json: bool, stop: StopRequest) -> None:
        self._total, self._json, self._stop, self._done = total, as_json, stop, 0

    def began(self, name: str) -> None:
        """A training begins, or goes on."""
        if self._json:
            print(json.dumps({"event": "training_began", "name": name}), flush=True)

    def ended(self, name: str, code: int, seconds: float, tail: str) -> None:
        """A training has ended."""
        self._done += 1
        if self._json:
            facts = {"name": name, "code": code, "seconds": round(seconds, 1), "done": self._done, "total": self._total}
            print(json.dumps({"event": "training_ended", **facts}), flush=True)
            return
        failed = "saved, to go on with" if self._stop.signal is not None else f"ended with exit code {code}\n{tail}"
        how = failed if code else f"in {words.duration(seconds)}"
        print(f"{self._done} of {self._total}: {name} {how}", file=sys.stderr, flush=True)
