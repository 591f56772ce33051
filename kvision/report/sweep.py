"""A sweep as a page: the best trials, how the best was found, which options mattered, and all trials as lines through their values."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kvision.core import disk, words
from kvision.report import figures, page
from kvision.sweep.ranges import Range

if TYPE_CHECKING:
    from pathlib import Path

    import markupsafe

    from kvision.sweep.outcome import Outcome
    from kvision.sweep.ranges import Parameter
    from kvision.sweep.trials import Trial

PAGE = "sweep.html"
_MOST_ROWS = 200
_GREY = "#8a94a3"
_BEST = figures.COLOURS[1]
_SCALE = "viridis"


def write(outcome: Outcome) -> Path:
    """Writes the page and its pictures into the sweep's folder.

    Args:
        outcome: What came of the sweep.

    Returns:
        Path of sweep.html.

    Raises:
        RunError: If the folder can't be written.
    """
    target = outcome.folder / PAGE
    drawn = {"history": history, "parallel": parallel} if outcome.ranked else {}
    drawn |= {"importance": importance} if outcome.importance else {}
    svgs = {}
    with disk.writing(outcome.folder, "the sweep's page", "--study"):
        for name, draw in drawn.items():
            with figures.style():
                figure = draw(outcome)
                figures.save_png(figure, outcome.folder / "pictures" / f"{name}.png")
                svgs[name] = figures.to_svg(figure, name)
        disk.replace(target, _render(outcome, svgs).encode())
    return target


def _render(outcome: Outcome, svgs: dict[str, markupsafe.Markup]) -> str:
    others = [trial for trial in outcome.trials if trial.state not in ("finished", "waiting", "lost")]
    return (
        page.environment()
        .get_template("sweep.html.j2")
        .render(
            outcome=outcome,
            best=outcome.best,
            svgs=svgs,
            facts=[(state, words.number(count)) for state, count in outcome.counts.items()] + [("training", words.duration(outcome.seconds))],
            paths=list(outcome.parameters),
            trials=[*outcome.ranked, *others][:_MOST_ROWS],
            space={path: str(parameter) for path, parameter in outcome.parameters.items()},
        )
    )


def history(outcome: Outcome) -> Figure:
    """The result of each trial in the order of their numbers, and the best one so far."""
    figure = Figure(figsize=(4.6, 3.1), layout="constrained")
    axes = figure.add_subplot()
    finished, pruned = _results(outcome, "finished"), _results(outcome, "pruned")
    if pruned:
        axes.plot(list(pruned), list(pruned.values()), "x", color=_GREY, label="pruned")
    axes.plot(list(finished), list(finished.values()), "o", color=figures.COLOURS[0], label="finished")
    so_far = itertools.accumulate(finished.values(), max if outcome.mode == "max" else min)
    axes.step(list(finished), list(so_far), where="post", color=_BEST, label="best so far")
    axes.set_title(outcome.metric)
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.legend(handlelength=1.2)
    return figure


def importance(outcome: Outcome) -> Figure:
    """How much of the good results each option explains."""
    names, shares = list(outcome.importance), list(outcome.importance.values())
    figure = Figure(figsize=(4.6, max(1.6, 0.8 + 0.4 * len(names))), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(names, shares, color=figures.COLOURS[0], height=0.6)
    axes.bar_label(bars, [f" {words.percent(share)}" for share in shares])
    axes.set_xlim(0, 1.25 * max(shares))
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_title("Importance")
    return figure


def parallel(outcome: Outcome) -> Figure:
    """Each trial as a line through its values to its result; the best is drawn thick, pruned ones grey."""
    paths, ranked = list(outcome.parameters), outcome.ranked
    shown = [trial for trial in outcome.trials if trial.state == "pruned" and trial.result is not None] + ranked[::-1]
    results = [trial.result for trial in shown if trial.result is not None]
    low, high = min(results), max(results)
    figure = Figure(figsize=(max(4.6, 1.7 * len(paths) + 1.7), 3.6), layout="constrained")
    axes = figure.add_subplot()
    for trial in shown:
        share = ((trial.result or 0.0) - low) / (high - low) if high > low else 1.0
        heights = [min(max(outcome.parameters[path].place(trial.values[path]), 0.0), 1.0) for path in paths]
        axes.plot(range(len(paths) + 1), [*heights, share], **_look(trial, share, ranked[0], outcome.mode))
    for place, path in enumerate(paths):
        for height, text in _ticks(outcome.parameters[path]):
            axes.text(place + 0.03, height, text, fontsize=8, va="center")
        axes.axvline(place, color=_GREY, linewidth=0.8)
    for height, value in ((0.0, low), (1.0, high)):
        axes.text(len(paths) + 0.03, height, words.number(value), fontsize=8, va="center")
    axes.axvline(len(paths), color=_GREY, linewidth=0.8)
    axes.set_xticks(range(len(paths) + 1), [*paths, outcome.metric])
    axes.set_xlim(-0.1, len(paths) + 0.4)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_title("All trials, from their values to their results")
    return figure


def _look(trial: Trial, share: float, best: Trial, mode: str) -> dict[str, Any]:
    """Colour and width of a trial's line: the better, the brighter."""
    if trial is best:
        return {"color": _BEST, "linewidth": 2.6, "zorder": 5}
    if trial.state == "pruned":
        return {"color": _GREY, "linewidth": 0.8, "alpha": 0.5}
    return {"color": colormaps[_SCALE](0.3 + 0.5 * (share if mode == "max" else 1 - share)), "linewidth": 1.2, "alpha": 0.8}


def _ticks(parameter: Parameter) -> list[tuple[float, str]]:
    if isinstance(parameter, Range):
        return [(0.0, words.number(parameter.low)), (1.0, words.number(parameter.high))]
    return [(parameter.place(value), page.short(value)) for value in parameter.values]


def _results(outcome: Outcome, state: str) -> dict[int, float]:
    """The result of each trial of a state that has one, by its number."""
    return {trial.number: trial.result for trial in outcome.trials if trial.state == state and trial.result is not None}
