"""The manual as a whole: every page is in the navigation, every key is told of, every name that a page gives exists, addresses are well-formed."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from ruamel.yaml import YAML

from docs import build, figures, reference
from kvision import catalog
from kvision.core import describe
from kvision.core.schema import COMMON
from tests.docs.blocks import PAGES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOVING = [page for page in PAGES if page.startswith(("docs/moving/", "docs/faq", "docs/start/"))]
PACKAGES = ("keras", "keras_hub", "kvision", "kvision_edge", "ai_edge_litert")
OPTIONAL = {"keras_hub"}


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    return build.generated()


def nav(entry: Any) -> Iterator[str]:
    """The pages of a part of the navigation."""
    for one in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ():
        yield from [one] if isinstance(one, str) else nav(one)


def test_the_navigation_has_every_page_once(generated: dict[str, str]) -> None:
    listed = list(nav(YAML(typ="safe").load((ROOT / "mkdocs.yml").read_text())["nav"]))
    indexed = {page for page in generated if page.count("/") == 1}
    assert sorted(listed) == sorted({*build.written(), *indexed})


def test_every_generated_page_is_reached_from_an_index(generated: dict[str, str]) -> None:
    text = generated["reference/systems.md"] + generated["reference/sources.md"]
    assert [page for page in generated if page.count("/") > 1 and f"]({page.removeprefix('reference/')})" not in text] == []
    assert {f"reference/systems/{name}.md" for name in catalog.systems()} <= generated.keys()


def test_every_key_has_type_default_unit_and_effect() -> None:
    sections: list[tuple[str, Any]] = list(COMMON.items())
    for name in catalog.systems():
        sections += [("model", catalog.system(name).Options), ("loss", catalog.system(name).Loss)]
    sections += [("data", catalog.source(name).Options) for name in catalog.sources()]
    rows = [row for section, options in sections for row in reference.option_rows(section, options)]
    assert [row for row in rows if not all(row)] == []
    units = {row[0]: row[3] for row in rows}
    known = {
        "`data.size_px`": "pixels", "`data.augment.rotate_deg`": "degrees", "`data.augment.flip_x`": "fraction", "`train.epochs`": "epochs",
        "`data.batch`": "examples", "`optim.name`": "–", "`model.capacity`": "transitions", "`optim.warmup_steps`": "steps",
    }  # fmt: skip
    assert {key: units[key] for key in known} == known


def test_a_row_says_what_the_schema_says() -> None:
    rows = {row[0]: row for row in reference.option_rows("optim", COMMON["optim"])}
    assert rows["`optim.accumulate`"][1:4] == ["a whole number from 1 to 1e9", "`1`", "–"]
    assert rows["`optim.clip_norm`"][2] == "`null`"
    assert {row[0]: row[2] for row in reference.option_rows("expect", COMMON["expect"])}["`expect.metric`"] == "**required**"


def test_every_command_is_on_its_page_with_its_options(generated: dict[str, str]) -> None:
    page = generated["reference/commands.md"]
    for name in ("train", "runs compare", "data pack", "export", "serve"):
        assert f"## kvision {name}\n" in page
    assert "| `--rest-port` | a whole number from 0 to 65535 | `8501` | TCP port of REST; 0: any that is free. |" in page
    assert "| `--weights` | `best`, `last`, `ema` | `best` | Which of the run's weights. |" in page


def test_figures_are_those_of_the_files() -> None:
    page = figures.pages()[figures.PAGE]
    assert "| unet64-int8 | 2.02 MB | 1.05 / " in page
    assert "| 1 | 30.666 | 30.164 | 31.072 | 30.743 | 0.502 | 0.908 | 0.329 |" in page
    assert {file for _, _, file, _ in figures.SECTIONS} <= {file.name for file in figures.RESULTS.glob("*.json")}


def test_links_to_files_that_are_no_pages_become_text(tmp_path: Path) -> None:
    page = ROOT / "docs" / "nowhere.md"
    text = "[a](../README.md) [b](../edge/cpp/README.md#x) [`c`](engine.md) [d](https://a.org/x) [e](#here)\n```sh\n[f](../README.md)\n```\n"
    file = tmp_path / "nowhere.md"
    file.write_text(text)
    moved = build.relinked("nowhere.md", text, page.parent)
    assert moved == "a (`README.md`) [b](devices/cpp.md#x) [`c`](engine.md) [d](https://a.org/x) [e](#here)\n```sh\n[f](../README.md)\n```\n"


def test_the_builder_fails_on_a_broken_link_and_on_a_missing_heading(tmp_path: Path) -> None:
    pytest.importorskip("zensical")
    (tmp_path / "docs").mkdir()
    (tmp_path / "mkdocs.yml").write_text("site_name: x\n")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(tmp_path / "mkdocs.yml")]
    for text, code in (("# A\n\n[a](#a)\n", 0), ("# A\n\n[a](b.md)\n", 1), ("# A\n\n[a](#b)\n", 1)):
        (tmp_path / "docs" / "index.md").write_text(text)
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == code, text


@pytest.mark.parametrize("page", PAGES)
def test_addresses_are_well_formed(page: str) -> None:
    for address in re.findall(r"https?://[^\s)`\"'>\]]+", (ROOT / page).read_text()):
        parts = urlsplit(address)
        local = parts.hostname in ("localhost", "HOST") or parts.hostname == "127.0.0.1"
        assert local or (parts.scheme == "https" and re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.hostname or "")), address


def test_the_figure_is_drawn_alike_for_light_and_dark_pages() -> None:
    light, dark = ((ROOT / "docs" / name).read_text() for name in ("engine.svg", "engine-dark.svg"))
    assert ET.fromstring(light).tag.endswith("svg")
    assert re.sub(r"#[0-9a-f]{6}", "", light) == re.sub(r"#[0-9a-f]{6}", "", dark)
    assert set(re.findall(r"#[0-9a-f]{6}", light)).isdisjoint(re.findall(r"#[0-9a-f]{6}", dark))


def names_of(page: str) -> list[str]:
    """Dotted names of packages that a page gives in backticks."""
    found = re.findall(r"`([a-z_]+(?:\.[A-Za-z_0-9]+)+)`", (ROOT / page).read_text())
    return sorted({name for name in found if name.partition(".")[0] in PACKAGES})


@pytest.mark.parametrize("page", [page for page in MOVING if names_of(page)])
def test_every_class_and_function_that_is_named_exists(page: str) -> None:
    missing = [name for name in names_of(page) if not exists(name)]
    assert missing == []


def exists(name: str) -> bool:
    """Whether a dotted name can be imported; of an extra that is not installed it is not asked."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:count]))
        except ImportError:
            if count == 1:
                return parts[0] in OPTIONAL
            continue
        for part in parts[count:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@pytest.fixture(scope="module")
def keys() -> dict[str, list[Any]]:
    """The types of every key that any recipe may have."""
    found: dict[str, list[Any]] = {"system": [str], "smoke": [dict], "extends": [str]}
    sections: list[tuple[str, Any]] = list(COMMON.items())
    for name in catalog.systems():
        sections += [("model", catalog.system(name).Options), ("loss", catalog.system(name).Loss)]
    sections += [("data", catalog.source(name).Options) for name in catalog.sources()]
    for section, options in sections:
        for path, field in describe.leaves(options, (section,)):
            for end in range(1, len(path)):
                found.setdefault(".".join(path[:end]), [])
            found.setdefault(".".join(path), []).append(field.annotation)
    return found


@pytest.mark.parametrize("page", [*MOVING, "docs/deploy.md", "docs/export.md", "docs/new-system.md"])
def test_every_recipe_key_that_is_named_exists_and_takes_the_value(page: str, keys: dict[str, list[Any]]) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:model|loss|data|optim|train)\.[a-z_.0-9]+)(?:: ([a-z_0-9]+))?`", text)
    unknown = [key for key, _ in named if key not in keys]
    refused = [f"{key}: {value}" for key, value in named if value and key in keys and not any(takes(kind, value) for kind in keys[key])]
    assert (unknown, refused) == ([], [])


def takes(kind: Any, value: str) -> bool:
    """Whether a type takes a word; numbers, lists and text are not looked into."""
    choices = [choice for part in (kind, *get_args(kind)) if get_origin(part) is Literal for choice in get_args(part)]
    return value in choices or not choices
