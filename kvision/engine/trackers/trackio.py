"""trackio: its database in TRACKIO_DIR, or in Hugging Face's cache; to a Space or a server where TRACKIO_SPACE_ID or TRACKIO_SERVER_URL names one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kvision.engine.trackers import PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.engine.trackers import Facts


class _Run:
    def __init__(self, run: Any) -> None:
        self._run, self.id = run, str(run.name)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def end(self, status: str) -> None:
        del status  # it has no word for it
        self._run.finish()


def open_run(facts: Facts) -> _Run:
    """Begins a run, or goes on with one; a run's name is its id there."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # nobody asked for reports to its makers
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import trackio

    config = dict(facts.values) | {f"kvision.{name}": text for name, text in facts.tags.items()}
    name = facts.id or facts.name
    resume = "must" if facts.id else "never"
    return _Run(trackio.init(PROJECT, name=name, config=config, resume=resume, embed=False, auto_log_gpu=False, auto_log_cpu=False))
