"""What remains of the bundle that is there already: all that tells of the same weights, and that the new export does not make again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kvision_export import bundle, formats
from kvision_export.parity import earlier, page

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from kvision_edge import manifest
    from kvision_export.parity.earlier import Earlier
    from kvision_export.parity.finding import Finding

_OF_INT8 = (f"{formats.C_ARRAY}/", f"{bundle.QAT}/")
"""What is made of, or tells of, the full int8 file."""


@dataclass(frozen=True)
class Remains:
    """What a new export adds to.

    Attributes:
        files: Entries of the manifest.
        checksums: Of what is there beside these files and still tells of them, by path.
        proofs: What proof.json tells of the files, rejected ones too.
        choice: The LiteRT file that suited a device best; none if it does not remain.
    """

    files: tuple[manifest.File, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    proofs: tuple[Earlier, ...] = ()
    choice: Finding | None = None


def of(made: manifest.Manifest, out: Path, again: Collection[str]) -> Remains:
    """Looks what remains of a bundle.

    Args:
        made: Its manifest.
        out: Its folder.
        again: Names of the formats that are made anew, for better or worse.

    Returns:
        It.
    """
    files = tuple(each for each in made.files if each.format not in again and (out / each.path).exists())
    samples = {each.sample.outputs for each in files if each.sample is not None}
    stale = _OF_INT8 if formats.FULL_INT8 in again else ()
    checksums = {
        name: told
        for name, told in made.checksums.items()
        if (out / name).is_file() and not name.startswith(stale) and (not name.startswith(f"{bundle.SAMPLE}/") or name in samples)
    }
    proofs = earlier.read(out / page.JSON, again)
    first = made.files[0].path if made.files else ""
    choice = next((each.finding for each in proofs if each.finding.path == first and each.finding.format.is_tflite), None)
    return Remains(files, checksums, proofs, choice)
