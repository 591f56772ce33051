"""The default dependency tree with its licences, from the metadata of what is installed: `python -m tests.house.licences` prints it as Markdown."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "HPND", "ISC", "MIT", "MIT-CMU", "MIT-0", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
"""SPDX names that a user need only pass on."""
WEAK = {
    "certifi": "MPL-2.0",  # a list of certificates, by way of requests, which TensorFlow asks for
    "tqdm": "MPL-2.0 AND MIT",  # by way of litert-quantizer; MPL asks for changes to its own files alone
}
"""What is not permissive and comes with TensorFlow or LiteRT all the same, used unchanged."""
SILENT = {"namex": "Apache-2.0"}
"""What does not say its licence in its metadata, with the one in its repository."""
_WORDS = (
    (r"apache", "Apache-2.0"), (r"python software foundation|agreement for matplotlib", "PSF-2.0"), (r"\bisc\b", "ISC"), (r"mozilla|mpl", "MPL-2.0"),
    (r"\bmit\b", "MIT"), (r"bsd", "BSD-3-Clause"),
)  # fmt: skip
"""What older metadata call them."""


@dataclass(frozen=True)
class Dependency:
    """A distribution that kvision brings along.

    Attributes:
        name: As PyPI writes it, in its normal form.
        version: The one installed.
        licence: SPDX expression; empty if it says nothing that is understood.
        requires: Names of those that it brings along itself.
    """

    name: str
    version: str
    licence: str
    requires: tuple[str, ...] = ()

    @property
    def permissive(self) -> bool:
        """Whether every part of it is, or one of those that can be chosen."""
        return any(all(part.strip("() ") in PERMISSIVE for part in choice.split(" AND ")) for choice in self.licence.split(" OR "))

    @property
    def accepted(self) -> bool:
        """Whether it may come along: permissive, or one of the two that are known not to be."""
        return self.permissive or WEAK.get(self.name) == self.licence


def tree(root: str = "kvision") -> list[Dependency]:
    """All that is installed with a distribution, without its extras, sorted by name; it itself is left out."""
    found: dict[str, Dependency] = {}
    names = list(required(root))
    while names:
        name = names.pop()
        if name not in found:
            each = metadata.distribution(name)
            found[name] = Dependency(name, each.version, _licence(name, each.metadata), tuple(sorted(required(name))))
            names += found[name].requires
    return sorted(found.values(), key=lambda each: each.name)


def required(name: str) -> Iterator[str]:
    """What an installed distribution asks for on this machine, without its extras, by normal names."""
    for line in metadata.distribution(name).requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def _licence(name: str, told: metadata.PackageMetadata) -> str:
    """The SPDX expression of a distribution: as it stands, or by what older metadata call it."""
    if expression := told.get("License-Expression"):
        return str(expression)
    if name in SILENT | WEAK:
        return (SILENT | WEAK)[name]
    classifiers = [line for line in told.get_all("Classifier") or [] if line.startswith("License ::")]
    for text in (*classifiers, (told.get("License") or "")[:200]):
        for pattern, licence in _WORDS:
            if re.search(pattern, text, re.IGNORECASE):
                return licence
    return ""


if __name__ == "__main__":
    rows = [f"| {each.name} | {each.version} | {each.licence} |" for each in tree()]
    sys.stdout.write("\n".join(["| distribution | version | licence |", "|---|---|---|", *rows, ""]))
