"""MLflow: to MLFLOW_TRACKING_URI, or its default, a database in the working folder; the experiment is MLFLOW_EXPERIMENT_NAME, or `kvision`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from kvision.engine.trackers import PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.engine.trackers import Facts

PARAMS_A_CALL = 100
"""What MLflow takes at once."""
LETTERS = 500
ENDINGS = {"finished": "FINISHED", "interrupted": "KILLED"}
"""MLflow's words for how a run ends; the others failed."""


class _Run:
    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self.id = client, run_id

    def log(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self.id, metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def end(self, status: str) -> None:
        self._client.set_terminated(self.id, ENDINGS.get(status, "FAILED"))


def open_run(facts: Facts) -> _Run:
    """Begins a run, or goes on with one."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nobody asked for reports to MLflow's makers
    from mlflow import MlflowClient
    from mlflow.entities import Param

    client = MlflowClient()
    if facts.id is not None:
        client.update_run(facts.id, status="RUNNING")
        return _Run(client, facts.id)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found is not None else client.create_experiment(name)
    made = client.create_run(experiment, run_name=facts.name, tags=dict(facts.tags)).info.run_id
    params = [Param(path, str(value)[:LETTERS]) for path, value in facts.values.items()]
    for begin in range(0, len(params), PARAMS_A_CALL):
        client.log_batch(made, params=params[begin : begin + PARAMS_A_CALL])
    return _Run(client, made)
