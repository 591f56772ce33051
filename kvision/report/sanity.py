"""The page of `kvision check`: what each test measured, histograms of the layers, and the curves of the short trainings."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from kvision.core import words
from kvision.core.disk import writing
from kvision.report import figures, page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_MOST_LAYERS = 24
_ACROSS = 4


def write(folder: Path, title: str, system: str, verdicts: Sequence[Mapping[str, Any]]) -> None:
    """Writes check.html, check.json and a picture for each kind of figure.

    Args:
        folder: Where to; made if need be.
        title: The recipe's name.
        system: Its system.
        verdicts: As plain data; see `kvision.engine.sanity.verdict.Verdict`.

    Raises:
        RunError: If the folder can't be written.
    """
    drawn = {name: figure for name, figure in _figures({verdict["name"]: verdict for verdict in verdicts}).items() if figure}
    rows = [{**verdict, "accepted": words.between(verdict["low"], verdict["high"])} for verdict in verdicts]
    svgs = {name: figures.to_svg(figure, name) for name, figure in drawn.items()}
    html = page.environment().get_template("check.html.j2").render(title=title, system=system, verdicts=rows, figures=svgs)
    with writing(folder, "the check", "--out"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in drawn.items():
            figures.save_png(figure, folder / f"{name}.png")
        (folder / "check.json").write_text(json.dumps(list(verdicts), indent=1), encoding="utf-8")
        (folder / "check.html").write_text(html, encoding="utf-8")


def _figures(verdicts: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure | None]:
    """The figures that the details of these verdicts, by test, are enough for, by name."""
    details = {name: verdict["details"] for name, verdict in verdicts.items()}
    made: dict[str, Callable[[], Figure | None]] = {
        "fresh": lambda: _histograms(details.get("activations", {}).get("layers", {}), "a fresh network's layers"),
        "trained": lambda: _histograms(details.get("dead ReLUs", {}).get("layers", {}), "the layers after some steps"),
        "losses": lambda: _losses(details.get("overfit", {}), details.get("regularisation", {})),
        "updates": lambda: _ratios(verdicts.get("update ratio", {})),
    }
    with figures.style():
        return {name: draw() for name, draw in made.items()}


def _histograms(layers: Mapping[str, Mapping[str, Any]], title: str) -> Figure | None:
    """What some of the layers give, evenly spaced over the network."""
    names = list(layers)
    if not names:
        return None
    chosen = [names[place] for place in np.unique(np.linspace(0, len(names) - 1, min(len(names), _MOST_LAYERS)).round().astype(int))]
    rows = math.ceil(len(chosen) / _ACROSS)
    figure = Figure(figsize=(10, 1.7 * rows + 0.6), layout="constrained")
    figure.suptitle(f"What {title} give", fontsize=11)
    for place, name in enumerate(chosen, start=1):
        axes, one = figure.add_subplot(rows, _ACROSS, place), layers[name]
        if one["counts"]:
            axes.stairs(one["counts"], one["edges"], fill=True, color=figures.COLOURS[0])
        axes.set_yscale("symlog")
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
        axes.set_title(f"{name.partition('/')[2]}\nrms {words.number(one['rms'])}", fontsize=7)
    return figure


def _losses(overfit: Mapping[str, Any], regularisation: Mapping[str, Any]) -> Figure | None:
    if not overfit.get("losses"):
        return None
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(_gaps(overfit["losses"]), color=figures.COLOURS[0], label="plain")
    if regularisation.get("strong"):
        axes.plot(_gaps(regularisation["strong"]), color=figures.COLOURS[1], label="strong regularisation")
        axes.legend()
    axes.set_title("Loss on twenty examples")
    axes.set_xlabel("step")
    axes.set_ylim(bottom=0)
    return figure


def _ratios(verdict: Mapping[str, Any]) -> Figure | None:
    """Every kernel's ratio, in the order of the network, with the range that the verdict accepts as a band."""
    positive = {name: value for name, value in verdict.get("details", {}).get("ratios", {}).items() if value}
    if not positive:
        return None
    figure = Figure(figsize=(5, 0.6 + 0.19 * len(positive)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(verdict["low"], verdict["high"], color=figures.COLOURS[2], alpha=0.15)
    axes.plot(list(positive.values()), range(len(positive)), "o", color=figures.COLOURS[0], markersize=4)
    axes.set_xscale("log")
    axes.set_yticks(range(len(positive)), list(positive), fontsize=6)
    axes.invert_yaxis()
    axes.set_title("|update| / |weights| of one step")
    return figure


def _gaps(values: Sequence[float | None]) -> list[float]:
    """Null, JSON's word for what is not finite, as NaN, which leaves a gap."""
    return [math.nan if value is None else value for value in values]
