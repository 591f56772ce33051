"""The software bill of materials, CycloneDX in JSON, of the default dependency tree as it is installed here: `make sbom`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

import kvision
from tests.house import licences

if TYPE_CHECKING:
    from collections.abc import Sequence


def text(dependencies: Sequence[licences.Dependency]) -> str:
    """The document.

    Args:
        dependencies: All that comes along.

    Returns:
        CycloneDX 1.6 in JSON, with what asks for what.
    """
    parts = {each.name: _component(each.name, each.version, each.licence) for each in dependencies}
    ours = _component("kvision", kvision.__version__, "Apache-2.0", ComponentType.APPLICATION)
    bom = Bom(components=parts.values())
    bom.metadata.component = ours
    bom.register_dependency(ours, [parts[name] for name in dict.fromkeys(licences.required("kvision"))])
    for each in dependencies:
        bom.register_dependency(parts[each.name], [parts[name] for name in dict.fromkeys(each.requires)])
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)


def _component(name: str, version: str, licence: str, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    purl = PackageURL("pypi", name=name, version=version)
    stated = [LicenseExpression(licence)] if licence else []
    return Component(type=kind, name=name, version=version, purl=purl, bom_ref=str(purl), licenses=stated)


def main(file: Path) -> None:
    """Writes the document, and fails if something may not come along."""
    found = licences.tree()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text(found) + "\n", encoding="utf-8")
    sys.stdout.write(f"{file}: {len(found)} distributions, {sum(each.permissive for each in found)} of them permissive\n")
    if refused := [f"{each.name} {each.version}: {each.licence or 'no licence that is known'}" for each in found if not each.accepted]:
        sys.exit("may not come along, see tests/house/licences.py: " + "; ".join(refused))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
