"""Which model a request means: by name, by version, or by label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kvision_export.serving.server.status import invalid


@dataclass(frozen=True)
class Spec:
    """What a request names: the latest version, one version, or one label.

    Attributes:
        name: Of the model.
        version: The version, if one is named.
        label: The label, if one is named.
    """

    name: str
    version: int | None = None
    label: str | None = None

    def fill(self, message: Any) -> None:
        """Names the same in a `ModelSpec`.

        Args:
            message: The `ModelSpec`.
        """
        message.name = self.name
        if self.version is not None:
            message.version.value = self.version
        elif self.label is not None:
            message.version_label = self.label


def spec_of(request: Any) -> Spec:
    """What a message names.

    Args:
        request: With a `model_spec`.

    Returns:
        The same as a Spec.

    Raises:
        StatusError: If it has none.
    """
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    spec = request.model_spec
    choice = spec.WhichOneof("version_choice")
    return Spec(spec.name, spec.version.value if choice == "version" else None, spec.version_label if choice == "version_label" else None)
