"""`kvision data`: looks for faults in a recipe's data, and makes a page to look at it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from kvision import catalog
from kvision.core import words
from kvision.core.disk import writing
from kvision.core.errors import DataError
from kvision.core.progress import Count
from kvision.data import check as checking
from kvision.data import show as showing
from kvision.data.captioned_source import CaptionedSource
from kvision.data.pipeline import Pipeline
from kvision.data.text.summary import summary
from kvision.report import page

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_NAMES = 8


def check(recipe: str, overrides: Sequence[str], *, json_lines: bool = False) -> None:
    """Names every fault of a recipe's data on stdout, one finding a line or paragraph.

    Args:
        recipe: A file, or the name of a shipped recipe.
        overrides: `key=value` texts.
        json_lines: One JSON object a finding instead of text.

    Raises:
        DataError: If there is an error among the findings, so that the exit code is 1.
    """
    resolved = catalog.load(recipe, overrides)
    options = resolved.recipe.data
    source = catalog.source(options.source)(options, seed=resolved.recipe.train.seed, base=resolved.base)
    with Count("checking", 1) as count:
        found = checking.check(source, told=count.of)
    for finding in found:
        text = f"{finding.severity}: {finding.kind}: {finding.count} x: {words.listed(finding.files, _MAX_NAMES)}\n    {finding.message}"
        print(json.dumps(asdict(finding)) if json_lines else text)
    errors = [finding for finding in found if finding.severity == "error"]
    if errors:
        faults = f"{words.counted(sum(finding.count for finding in errors), 'fault')} of {words.counted(len(errors), 'kind')}"
        raise DataError(f"{faults} that would spoil training or evaluation; each is named above with its fix")
    texts = source.info.texts
    if texts is not None and (isinstance(source, CaptionedSource) or "tokens" in catalog.system(resolved.recipe.system).fields):
        told = summary(texts, {split: source.split(split) for split in showing.SPLITS})
        print(json.dumps({"texts": told.to_json()}) if json_lines else "\n".join(told.lines()))
    if not json_lines:
        print(f"{options.source}: no faults" if not found else f"{options.source}: no errors, {words.counted(len(found), 'kind')} of warnings")


def show(recipe: str, overrides: Sequence[str], *, out: str = "data.html", count: int = 12) -> None:
    """Writes a page, readable offline, of a recipe's examples before and after augmentation, with class statistics.

    Args:
        recipe: A file, or the name of a shipped recipe.
        overrides: `key=value` texts.
        out: The page to write; one that is there already is replaced.
        count: Training examples to show; a third as many of validation.

    Raises:
        DataError: If the data can't be used.
        RunError: If the page can't be written.
    """
    resolved = catalog.load(recipe, overrides)
    made, options = resolved.recipe, resolved.recipe.data
    source = catalog.source(options.source)(options, seed=made.train.seed, base=resolved.base)
    wanted = catalog.system(made.system).fields
    worth = {"mask", "boxes", "labels", "label", "targets"} | ({"captions"} if "tokens" in wanted else set())
    fields = wanted | (worth & source.info.fields)
    found = showing.overview(Pipeline(source, options, frozenset(fields), made.train.seed), count)
    template = page.environment().get_template("data.html.j2")
    html = template.render(
        title=resolved.path.stem,
        source=options.source,
        system=made.system,
        data=found,
        has_boxes=any(shot.boxes for examples in found.examples.values() for example in examples for shot in example.shots),
        wide=any(len(example.shots) > 1 for example in found.examples["train"]),
    )
    with writing(Path(out), "the page", "--out"):
        Path(out).write_text(html, encoding="utf-8")
    print(out)
