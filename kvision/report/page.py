"""report.html: one file that needs no network, reads well on a phone, and follows the reader's light or dark."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jinja2

from kvision.core import words
from kvision.report import curves, evaluation, figures, folder, gallery, thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_LEAVES = 80
_MOST_LETTERS = 300


@dataclass(frozen=True)
class Cell:
    """A cell of the per-class table: its text, and a share 0..1 for the bar behind it if the column is one of shares."""

    text: str
    share: float | None = None


def environment() -> jinja2.Environment:
    """The templates of the report; everything that comes from a run is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("kvision.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    made.filters.update(number=words.number, duration=words.duration, percent=words.percent)
    return made


def render(run: folder.RunFolder) -> str:
    """The page of one run.

    Args:
        run: The run's facts; whatever is empty is left out.

    Returns:
        HTML, under 5 MB.
    """
    tables = run.evaluation.get("tables") or {}
    svgs = {name: figures.to_svg(figure, name) for name, figure in evaluation.draw(run).items()}
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            headline=run.headline,
            facts=facts(run),
            curves=curves.svgs(run.rows),
            galleries=gallery.galleries(run),
            suspects=gallery.suspects(run),
            per_class=per_class(tables.get("per_class") or {}, run.class_names),
            confusion=svgs.get("confusion"),
            top_k=list(enumerate(tables.get("top_k") or (), start=1)),
            thresholds=[svgs[kind] for kind in thresholds.KINDS if kind in svgs],
            reliability=svgs.get("reliability"),
            ece=(run.evaluation.get("metrics") or {}).get("ece"),
            recipe=options(run),
            data=_leaves({key: value for key, value in run.data.items() if key not in ("class_names", "palette")}),
            environment=_leaves(run.environment),
            commands=commands(run),
            unit=unit(run),
        )
    )


def commands(run: folder.RunFolder) -> list[tuple[str, str]]:
    """What to type next, as (purpose, command)."""
    where = shlex.quote(str(run.path))
    recipe = shlex.quote(str(run.path / "recipe.yaml"))
    found = [("Train it again", f"kvision train {recipe} --run-dir {where}-again")]
    if run.status not in ("finished", "diverged"):  # going on with a diverged run ends at the same batch
        found.insert(0, ("Go on where it stopped", f"kvision train {recipe} --run-dir {where} --resume"))
    found.append(("Measure it again", f"kvision eval {where}"))
    if has_pictures(run):
        found.append(("Predict pictures of your own", f"kvision predict {where} photo.jpg folder/"))
    if unit(run) == "step":
        found.append(("Watch it play", f"kvision predict {where}"))
    return found


def unit(run: folder.RunFolder) -> str:
    """What an example of the run's training is: `image`, `example`, or `step`; older runs tell by what they have."""
    return str(run.started.get("unit") or ("image" if has_pictures(run) else "example"))


def has_pictures(run: folder.RunFolder) -> bool:
    """Whether the run's examples have pictures; so they do where its data.json does not say."""
    return run.data.get("preprocess", {}) is not None


def per_class(columns: Mapping[str, Sequence[float]], names: Sequence[str]) -> tuple[list[str], list[tuple[str, list[Cell]]]]:
    """The per-class table.

    Args:
        columns: Metric -> K values; a column within 0..1 gets bars.
        names: K class names.

    Returns:
        Headings, and for each class its name and cells.
    """
    bars = {metric: all(value is None or math.isnan(value) or 0 <= value <= 1 for value in values) for metric, values in columns.items()}
    rows = []
    for place, name in enumerate(names):
        cells = []
        for metric, values in columns.items():
            value = values[place] if place < len(values) and values[place] is not None else math.nan
            text = f"{value:.3f}" if bars[metric] and not math.isnan(value) else words.number(value)
            cells.append(Cell(text, value if bars[metric] and not math.isnan(value) else None))
        rows.append((name, cells))
    return [metric.replace("_", " ") for metric in columns], rows


def short(value: Any) -> str:
    """A value of a recipe or a report as a person writes it, cut where it is long."""
    if isinstance(value, list | tuple):
        text = ", ".join(str(item) for item in value[:12]) + (f", … {len(value)} in all" if len(value) > 12 else "")
        return f"[{text[:_MOST_LETTERS]}]"
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"


def facts(run: folder.RunFolder) -> list[tuple[str, str]]:
    """What is worth a tile of its own, as (name, text): epochs, steps, times, size."""
    last = run.rows[-1] if run.rows else {}
    train = run.values.get("train") or {}
    found = [
        ("Epochs", f"{words.number(int(last.get('epoch', 0)))} of {words.number(train.get('epochs'))}"),
        ("Steps", words.number(run.summary.get("steps", int(last.get("step", 0))))),
        ("Time", words.duration(run.summary.get("seconds"))),
        (f"{unit(run).capitalize()}s a second", words.number(run.summary.get("images_per_s"))),
        ("Waiting for data", words.percent(run.summary.get("wait_share"))),
        ("Parameters", words.number(run.started.get("parameters"))),
        ("Precision", str(run.started.get("precision", "—"))),
        ("Classes", words.number(len(run.class_names) or None)),
    ]
    return [(name, text) for name, text in found if text != "—"]


def options(run: folder.RunFolder) -> list[tuple[str, str, str, str]]:
    """The recipe, option by option: path, the value used (what was chosen, where the recipe left it open), and where that comes from."""
    return [_option(run.origins.get(path) or {}, path, value) for path, value in run.leaves()]


def _option(origin: Mapping[str, Any], path: str, value: Any) -> tuple[str, str, str, str]:
    used = value if origin.get("value") is None else origin["value"]
    return path, short(used), str(origin.get("kind", "default")), str(origin.get("where", ""))


def _leaves(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(path, short(value)) for path, value in folder.leaves(values)]
    more = len(found) - _MOST_LEAVES
    return [*found[:_MOST_LEAVES], *([("…", f"{more} more in the run folder")] if more > 0 else [])]
