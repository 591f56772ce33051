"""Sessions of sequence systems at their smoke settings, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kvision import catalog
from kvision.engine.session import open_session

if TYPE_CHECKING:
    from kvision.engine.session import Session


def session(recipe: str, *overrides: str, **options: Any) -> Session:
    """A session on the CPU, for evaluation unless asked otherwise."""
    resolved = catalog.load(recipe, overrides, smoke=True)
    kinds = catalog.system(resolved.recipe.system), catalog.source(resolved.recipe.data.source)
    return open_session(resolved, *kinds, **({"devices": "cpu", "training": False} | options))
