"""What a plain `pip install kvision` brings along may be used by anybody for anything."""

from __future__ import annotations

from tests.house import licences
from tests.house.licences import Dependency


def test_the_default_dependencies_are_permissive() -> None:
    found = licences.tree()
    assert {"tensorflow", "keras", "numpy", "ai-edge-litert"} <= {each.name for each in found}
    assert [each for each in found if not each.accepted] == []


def test_what_counts_as_permissive() -> None:
    given = {"MIT": True, "BSD-3-Clause AND Zlib": True, "GPL-3.0-only": False, "MIT AND GPL-2.0-only": False, "GPL-2.0-only OR MIT": True, "": False}
    assert {licence: Dependency("x", "1", licence).permissive for licence in given} == given
