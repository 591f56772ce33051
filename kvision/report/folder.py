"""A run folder, read back: every file but the recipe may be missing or torn, for a run may have been killed at any moment."""

from __future__ import annotations

import csv
import json
import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kvision.core.errors import RunError

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, float]


@dataclass(frozen=True)
class Headline:
    """The result in one line.

    Attributes:
        metric: Column of metrics.csv.
        value: Its best value.
        epoch: The epoch of that value.
        bound: What the recipe expects, in words, such as `at least 0.85`; empty without an expectation.
        met: Whether the expectation is met; none without one.
        evidence: How the recipe knows what to expect: `paper`, `measured` or `none`.
    """

    metric: str
    value: float
    epoch: int
    bound: str = ""
    met: bool | None = None
    evidence: str = ""


@dataclass(frozen=True)
class RunFolder:
    """The facts of a run, as its files give them.

    Attributes:
        path: The folder.
        values: Resolved recipe, nested.
        origins: Dotted path -> `{"kind", "where"}`, and for `auto` also `value` and `asked`.
        recipe: The recipe file that the run was started with.
        environment: Versions, devices, git state, command.
        data: What the pipeline reported, `class_names`, `palette`, `preprocess`.
        summary: `status`, `steps`, `epochs`, `best`, `seconds`, `images_per_s`, `wait_share`; empty while the run has never ended.
        evaluation: `metrics`, `tables`, `examples` of the validation split; empty before it is written.
        rows: metrics.csv, one row an epoch.
        started: The last `started` event: monitor, mode, parameters, devices, precision.
        epochs: The `epoch_ended` events, one an epoch, with the times that metrics.csv leaves out.
        warnings: What the run warned of, each once.
    """

    path: Path
    values: Mapping[str, Any]
    origins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipe: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    started: Mapping[str, Any] = field(default_factory=dict)
    epochs: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def system(self) -> str:
        """`family/name`."""
        return str(self.values.get("system", "unknown"))

    @property
    def status(self) -> str:
        """How the run stands: `running`, `finished`, `interrupted`, `diverged`, `failed`; `running` also after a kill -9."""
        return str(self.summary.get("status", "running"))

    @property
    def command(self) -> str:
        """The command line that started the run."""
        words = self.environment.get("command") or ("kvision", "train", str(self.path / "recipe.yaml"))
        return shlex.join(str(word) for word in words)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the K classes; empty when data.json is not there."""
        return tuple(str(name) for name in self.data.get("class_names", ()))

    @property
    def headline(self) -> Headline | None:
        """The metric that the recipe expects, or else that chose the best epoch, at the best epoch; none before the first evaluation."""
        expect = self.values.get("expect") or {}
        if self.rows and expect.get("metric") not in self.rows[-1]:
            expect = {}  # a recipe may name what its system does not measure; `kvision train` says so
        best = _mapping(self.summary.get("best"))
        metric = str(expect.get("metric") or self.started.get("monitor") or self._default_metric())
        falling = metric.endswith("loss") or expect.get("at_most") is not None
        if metric == self.started.get("monitor"):
            falling = self.started.get("mode") == "min"
        found = [row for row in self.rows if not math.isnan(row.get(metric, math.nan))]
        if not found:
            return None
        chosen = [row for row in found if best and row["epoch"] == best.get("epoch")]
        row = chosen[0] if chosen else (min if falling else max)(found, key=lambda each: each[metric])
        value = row[metric]
        low, high = expect.get("at_least"), expect.get("at_most")
        bounds = [f"at least {low:g}" for _ in [0] if low is not None] + [f"at most {high:g}" for _ in [0] if high is not None]
        met = (low is None or value >= low) and (high is None or value <= high) if bounds else None
        return Headline(metric, value, int(row["epoch"]), " and ".join(bounds), met, str(expect.get("evidence", "")))

    def _default_metric(self) -> str:
        columns = [name for name in (self.rows[0] if self.rows else ()) if name.startswith("val/")]
        return next((name for name in columns if name != "val/loss"), columns[0] if columns else "train/loss")

    def leaves(self) -> Iterator[tuple[str, Any]]:
        """Every value of the recipe with its dotted path, in the recipe's order."""
        yield from leaves(self.values)


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a nested dictionary as (dotted path, value); an empty section is a leaf."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def read(path: Path) -> RunFolder:
    """Reads a run folder.

    Args:
        path: The folder that `kvision train` wrote.

    Returns:
        Its facts; what is missing or torn is empty.

    Raises:
        RunError: If there is no such folder, or no resolved.json in it.
    """
    if not path.is_dir():
        raise RunError(f"{path}: no such run folder; `kvision runs list` names those that exist")
    resolved = _json(path / "resolved.json")
    if not resolved:
        raise RunError(f"{path}: is not a run folder, for it holds no readable resolved.json; a run folder is what `kvision train RECIPE` writes")
    events = _events(path / "events.jsonl")
    return RunFolder(
        path=path,
        values=resolved.get("values", {}),
        origins=resolved.get("origins", {}),
        recipe=str(resolved.get("recipe", "")),
        environment=_json(path / "environment.json"),
        data=_json(path / "data.json"),
        summary=_json(path / "summary.json"),
        evaluation=_json(path / "evaluation.json"),
        rows=_rows(path / "metrics.csv"),
        started=next((event for event in reversed(events) if event.get("event") == "started"), {}),
        epochs=tuple({event.get("epoch"): event for event in events if event.get("event") == "epoch_ended"}.values()),
        warnings=tuple(dict.fromkeys(str(event.get("message", "")) for event in events if event.get("event") == "warned")),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _events(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # the line that was being written when the process was killed
            continue
        if isinstance(event, dict):
            found.append(event)
    return found


def _rows(path: Path) -> tuple[Row, ...]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            found = [_row(record) for record in csv.DictReader(file)]
    except OSError:
        return ()
    return tuple(row for row in found if row)


def _row(record: Mapping[str | None, Any]) -> Row:
    """Numbers of one line of metrics.csv; empty if the line is torn."""
    try:
        return {str(name): float(cell) if cell != "" else math.nan for name, cell in record.items()}
    except (TypeError, ValueError):
        return {}
