"""The zoo: every shipped recipe with what it came to, from recipes and their receipts alone, as Markdown or as a page."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jinja2

from kvision import catalog
from kvision.core import paths, words
from kvision.report import page, receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kvision.core.schema import Cost, Expect
    from kvision.report.receipt import File, Receipt

HEADINGS = (
    "recipe",
    "metric",
    "expected",
    "measured",
    "met",
    "seeds",
    "precision",
    "time",
    "parameters",
    "MFLOPs",
    "fp32",
    "small",
    "drop",
    "latency",
)
NOTHING = "—"
UNMEASURED = "not measured"
STALE = "recipe changed since"
SEED_HEADINGS = ("recipe", "seed", "measured", "epoch", "steps", "time", "precision", "machine", "day")


@dataclass(frozen=True)
class Entry:
    """A recipe of the zoo.

    Attributes:
        name: As `kvision train` takes it.
        family: Of its system.
        expect: What it promises, if anything.
        cost: What its network costs, if it says so.
        receipt: What was measured, if anything was.
        stale: Whether that was with other values than the recipe has now.
    """

    name: str
    family: str
    expect: Expect | None
    cost: Cost | None
    receipt: Receipt | None
    stale: bool

    @property
    def measured(self) -> Receipt | None:
        """The receipt, if it counts."""
        return None if self.stale else self.receipt


@dataclass(frozen=True)
class Table:
    """Cells of text under headings."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def entries(word: str = "") -> list[Entry]:
    """The shipped recipes.

    Args:
        word: Only those in whose name or family it is.

    Returns:
        By family and name.

    Raises:
        KvisionError: If a recipe or a receipt is damaged.
    """
    found = []
    for name, file in paths.shipped().items():
        resolved = catalog.load(file)
        recipe, kept = resolved.recipe, receipt.read(file)
        family = recipe.system.partition("/")[0]
        if word in name or word in family:
            stale = kept is not None and bool(receipt.changed(kept.values, resolved))
            found.append(Entry(name, family, recipe.expect, recipe.cost, kept, stale))
    return sorted(found, key=lambda entry: (entry.family, entry.name))


def markdown(found: Sequence[Entry]) -> str:
    """The zoo as a page of Markdown."""
    made = jinja2.Environment(loader=jinja2.PackageLoader("kvision.report"), autoescape=False, trim_blocks=True, undefined=jinja2.StrictUndefined)  # noqa: S701 - Markdown
    return made.get_template("zoo.md.j2").render(tables=list(_tables(found)), seeds=_seeds(found)) + "\n"


def html(found: Sequence[Entry]) -> str:
    """The zoo as a page that needs no network."""
    return page.environment().get_template("zoo.html.j2").render(tables=[*_tables(found), _seeds(found)], count=len(found))


def _tables(found: Sequence[Entry]) -> Iterator[Table]:
    """One for each family."""
    for family in dict.fromkeys(entry.family for entry in found):
        yield Table(family, HEADINGS, [_row(entry) for entry in found if entry.family == family])


def _row(entry: Entry) -> list[str]:
    expect, cost, measured = entry.expect, entry.cost, entry.measured
    metric = expect.metric if expect else measured.metric if measured else ""
    bound = words.between(expect.at_least, expect.at_most) if expect else ""
    trials = measured.trials if measured else ()
    judged = [receipt.met(expect, trial.value) for trial in trials]
    full, small = _chosen(measured)
    return [
        entry.name,
        metric or NOTHING,
        bound or NOTHING,
        _spread([trial.value for trial in trials]) or (STALE if entry.stale else UNMEASURED),
        f"{sum(map(bool, judged))} of {len(judged)}" if bound and judged else NOTHING,
        ", ".join(str(trial.seed) for trial in trials) or NOTHING,
        ", ".join(dict.fromkeys(trial.precision for trial in trials)) or NOTHING,
        words.duration(statistics.median(trial.seconds for trial in trials) if trials else None),
        words.number(cost.parameters if cost else None),
        words.number(cost.mflops if cost else None),
        words.size(full.bytes) if full else NOTHING,
        f"{words.size(small.bytes)} ({small.format.removeprefix('tflite-')})" if small else NOTHING,
        words.number(small.drop) if small else NOTHING,
        " / ".join(f"{words.number(file.latency_ms)}" for file in (full, small) if file) + " ms" if full and small else NOTHING,
    ]


def _spread(values: Sequence[float]) -> str:
    """The median, and between what the values lie."""
    if len(values) < 2:
        return words.number(values[0]) if values else ""
    return f"{words.number(statistics.median(values))} ({words.number(min(values))} to {words.number(max(values))})"


def _chosen(measured: Receipt | None) -> tuple[File | None, File | None]:
    """Of the exported files the one in float32, and the smallest that holds its gate."""
    files = measured.files if measured else ()
    full = next((file for file in files if file.format == "tflite-fp32"), None)
    small = [file for file in files if file.format.startswith("tflite-") and file is not full and file.verdict == "good"]
    return full, min(small, key=lambda file: file.bytes, default=None)


def _seeds(found: Sequence[Entry]) -> Table:
    """Every training that counts."""
    rows = [
        [
            entry.name,
            str(trial.seed),
            words.number(trial.value),
            str(trial.epoch),
            words.number(trial.steps),
            words.duration(trial.seconds),
            trial.precision,
            f"{trial.cpu}, {words.counted(trial.cores, 'core')}",
            trial.started[:10],
        ]
        for entry in found
        if entry.measured
        for trial in entry.measured.trials
    ]
    return Table("Seeds", SEED_HEADINGS, rows)
