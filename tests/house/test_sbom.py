"""The bill of materials says what comes along, under which licence and why; needs `.[dev]`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.house.licences import Dependency

pytest.importorskip("cyclonedx")


def test_the_document_is_valid_and_says_who_asks_for_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    from cyclonedx.exception import MissingOptionalDependencyException
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    from tests.house import sbom

    monkeypatch.setattr(sbom.licences, "required", lambda _: iter(["one"]))
    told = sbom.text([Dependency("one", "1.0", "MIT", ("two",)), Dependency("two", "2.0", "BSD-3-Clause AND Zlib")])
    found = json.loads(told)
    assert found["metadata"]["component"]["name"] == "kvision"
    assert [(each["purl"], each["licenses"]) for each in found["components"]] == [
        ("pkg:pypi/one@1.0", [{"expression": "MIT"}]),
        ("pkg:pypi/two@2.0", [{"expression": "BSD-3-Clause AND Zlib"}]),
    ]
    asked = {each["ref"].split("@")[0]: each.get("dependsOn", []) for each in found["dependencies"]}
    assert asked == {"pkg:pypi/kvision": ["pkg:pypi/one@1.0"], "pkg:pypi/one": ["pkg:pypi/two@2.0"], "pkg:pypi/two": []}
    try:
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(told) is None
    except MissingOptionalDependencyException:
        pytest.skip("the schema is compared with by cyclonedx-python-lib[json-validation]")


def test_what_may_not_come_along_ends_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tests.house import sbom

    monkeypatch.setattr(sbom.licences, "tree", lambda: [Dependency("one", "1.0", "GPL-3.0-only")])
    monkeypatch.setattr(sbom.licences, "required", lambda _: iter(["one"]))
    with pytest.raises(SystemExit, match=r"may not come along, see tests/house/licences\.py: one 1\.0: GPL-3\.0-only"):
        sbom.main(tmp_path / "build" / "sbom.json")
    assert (tmp_path / "build" / "sbom.json").is_file()
