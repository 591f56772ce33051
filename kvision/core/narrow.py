"""The recipe's type for one system and one source, or for those that are not known. No TensorFlow here."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, create_model

from kvision.core.schema import DataOptions, Recipe, Section, SourceOptions


class OpenSection(Section):
    """Stands in for the section of a system that is not known: takes any key, so that the other sections can still be validated."""

    model_config = ConfigDict(extra="allow")


class OpenData(DataOptions):
    """Stands in for the `data:` section of a source that is not known."""

    model_config = ConfigDict(extra="allow")


def narrow(model: type[Section] | None, loss: type[Section] | None, data: type[SourceOptions] | None) -> type[Recipe]:
    """The recipe's type for one system and one source.

    Args:
        model: The system's `Options`; None when the system is not known.
        loss: The system's `Loss`; None when the system is not known.
        data: The source's `Options`; None when the source is not known.

    Returns:
        A subclass of `Recipe`.
    """
    fields = Recipe.model_fields
    narrowed: dict[str, Any] = {
        "model": (model or OpenSection, Field(description=fields["model"].description)),
        "loss": (loss or OpenSection, Field(description=fields["loss"].description)),
        "data": (data or OpenData, Field(description="Where the examples come from and how they are shaped.")),
    }
    return create_model("Recipe", __base__=Recipe, **narrowed)
