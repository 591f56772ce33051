"""`kvision data`: looks for faults in a recipe's data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

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
    from kvision import catalog
    from kvision.commands.progress import Count
    from kvision.core.errors import DataError
    from kvision.data.check import check as look

    resolved = catalog.load(recipe, overrides)
    options = resolved.recipe.data
    source = catalog.source(options.source)(options, seed=resolved.recipe.train.seed, base=resolved.base)
    with Count("checking", 1) as count:
        found = look(source, told=count.of)
    for finding in found:
        names = ", ".join(finding.files[:_MAX_NAMES]) + (f" and {len(finding.files) - _MAX_NAMES} more" if len(finding.files) > _MAX_NAMES else "")
        text = f"{finding.severity}: {finding.kind}: {finding.count} x: {names}\n    {finding.message}"
        print(json.dumps(asdict(finding)) if json_lines else text)
    errors = [finding for finding in found if finding.severity == "error"]
    if errors:
        raise DataError(f"{sum(finding.count for finding in errors)} faults of {len(errors)} kinds that spoil training or evaluation; each is named above with its fix")
    if not json_lines:
        print(f"{options.source}: no faults" if not found else f"{options.source}: no errors, {len(found)} kinds of warnings")
