"""The examples that an evaluation chose to be looked at, kind by kind, and those whose label may be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvision.core import words
from kvision.report import embed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kvision.report.folder import RunFolder

_TITLES = {"worst": "The worst", "random": "Chosen at random", "least_sure": "The least sure", "by_class": "The worst of each class"}
_SUSPECTS = "suspects"
_PICTURE_BYTES = 2_600_000  # before base64; with figures and tables the page stays under 5 MB


@dataclass(frozen=True)
class Picture:
    """An example to look at.

    Attributes:
        name: The example's.
        file: Path of the picture in the run folder.
        source: The picture as a data URI.
        note: What is said of it.
    """

    name: str
    file: str
    source: str
    note: str


@dataclass(frozen=True)
class Gallery:
    """The pictures of one kind, in groups that each have a title, or in one that has none."""

    title: str
    groups: Mapping[str, list[Picture]]


def galleries(run: RunFolder, source: Callable[[str], str] | None = None) -> list[Gallery]:
    """The pictures of each kind, in the order of the evaluation.

    Args:
        run: The run's facts.
        source: What a page's `<img>` takes, of a path in the run folder, empty where the picture is left out; none: the picture itself, as a
            data URI.

    Returns:
        What can be read.
    """
    found: dict[str, dict[str, list[Picture]]] = {}
    for example in _examples(run):
        kind = str(example.get("kind"))
        picture = _picture(run, example, f"score {words.number(example.get('score'))}", source)
        if kind != _SUSPECTS and picture:
            group = _class_name(run, example.get("label")) if kind == "by_class" else ""
            found.setdefault(kind, {}).setdefault(group, []).append(picture)
    return [Gallery(_TITLES.get(kind, kind.replace("_", " ").capitalize()), groups) for kind, groups in found.items()]


def suspects(run: RunFolder) -> list[Picture]:
    """Examples whose label may be wrong, with the label and what the network says instead."""
    found = []
    for example in _examples(run):
        if example.get("kind") == _SUSPECTS:
            label, predicted = (_class_name(run, example.get(name)) for name in ("label", "predicted"))
            sure, given = (words.percent(example.get(name)) for name in ("confidence", "given"))
            found.append(_picture(run, example, f"labelled {label} ({given}), called {predicted} ({sure})"))
    return [picture for picture in found if picture]


def _examples(run: RunFolder) -> Iterator[Mapping[str, Any]]:
    return (example for example in run.evaluation.get("examples") or () if isinstance(example, Mapping))


def _picture(run: RunFolder, example: Mapping[str, Any], note: str, source: Callable[[str], str] | None = None) -> Picture | None:
    file = str(example.get("picture", ""))
    found = source(file) if source else embed.data_uri(run.path / file, _PICTURE_BYTES // len(run.evaluation["examples"]))
    return Picture(str(example.get("name")), file, found, note) if found else None


def _class_name(run: RunFolder, number: Any) -> str:
    return run.class_names[number] if isinstance(number, int) and 0 <= number < len(run.class_names) else words.number(number)
