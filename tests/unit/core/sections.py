"""A made-up system and source for tests of recipes: a few options of every kind, and one rule between two sections."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from kvision.core.narrow import narrow
from kvision.core.resolve import resolve
from kvision.core.resolved import Resolved, Sections
from kvision.core.schema import Chosen, Count, DataOptions, Positive, Recipe, Section

if TYPE_CHECKING:
    from pathlib import Path


class Net(Section):
    """Options of a network."""

    width: int = Field(32, ge=1, le=1024, description="Filters.")
    depth: int = Field(4, ge=1, le=8, description="Halvings.")
    filters: tuple[Count, ...] | None = None
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    norm: Literal["batch", "group", "none"] = "batch"
    skips: bool = True
    span: tuple[Positive, Positive] = (0.5, 2.0)
    title: str = "net"
    weights: dict[int, float] = Field(default_factory=dict)
    twin: str | None = None

    def chosen(self) -> dict[str, Chosen]:
        return {} if self.filters else {"filters": Chosen(f"width={self.width}", [self.width, 2 * self.width])}

    @field_validator("twin")
    @classmethod
    def _twin(cls, twin: str | None, info: ValidationInfo) -> str | None:
        if twin is None and info.data.get("title") == "needs a twin":
            raise ValueError("needs to be given beside this title")
        return twin


class Loss(Section):
    """Options of a loss."""

    gamma: float = 2.0


class Scenes(DataOptions):
    """Options of a source."""

    source: Literal["scenes"] = "scenes"
    train_size: Count = 100


def check(recipe: Recipe) -> list[tuple[str, str]]:
    """The depth must divide the size."""
    depth, size_px = getattr(recipe.model, "depth", 0), recipe.data.size_px
    return [("model.depth", f"{depth} does not divide size_px={size_px}; use fewer")] if size_px % 2**depth else []


def sections(system: Any, source: Any) -> Sections:
    """As `catalog.sections`, for `fake/net` and `scenes`."""
    faults = [("system", f"got {system!r}, expected fake/net")] if system not in (None, "fake/net") else []
    faults += [("data.source", f"got {source!r}, expected scenes")] if source not in (None, "scenes") else []
    return _made(system == "fake/net", source == "scenes", tuple(faults))


@lru_cache
def _made(known_system: bool, known_source: bool, faults: tuple[tuple[str, str], ...]) -> Sections:
    made = narrow(Net if known_system else None, Loss if known_system else None, Scenes if known_source else None)
    return Sections(made, check, faults) if known_system and known_source else Sections(made, faults=faults)


MINIMAL = "system: fake/net\ndata: {source: scenes}\n"


def load(folder: Path, text: str, *overrides: str, smoke: bool = False, **others: str) -> Resolved:
    """Resolves a recipe from its text; `others` are further files by name without `.yaml`."""
    for name, content in others.items():
        (folder / f"{name}.yaml").write_text(content)
    path = folder / "recipe.yaml"
    path.write_text(text)
    return resolve(path, overrides, smoke=smoke, sections=sections)
