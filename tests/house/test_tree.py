"""The house keeps its rules: names, sizes, packaging and what the README promises."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VAGUE = {"utils", "util", "common", "misc", "helpers", "helper"}
TOP = {
    ".ci", ".github", ".gitignore", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md",
    "benchmarks", "conda", "constraints.txt", "docs", "edge", "export", "kvision", "mkdocs.yml", "pyproject.toml", "recipes", "tests",
}  # fmt: skip


def tracked(pattern: str = "") -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Path(name) for name in listing.split("\0") if name.endswith(pattern) and (ROOT / name).is_file()]


SOURCES = [path for path in tracked(".py") if path.parts[0] in {"kvision", "export", "edge"}]


def test_the_top_level_holds_only_what_the_design_names() -> None:
    assert {path.parts[0] for path in tracked()} <= TOP


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    assert [str(path) for path in tracked() if {Path(part).stem for part in path.parts} & VAGUE] == []


def test_files_stay_below_500_lines_and_functions_below_80() -> None:
    long = [str(path) for path in tracked(".py") if (ROOT / path).read_text().count("\n") > 500]
    for path in SOURCES:
        nodes = ast.walk(ast.parse((ROOT / path).read_text()))
        long += [f"{path}:{node.name}" for node in nodes if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 80]
    assert long == []


def test_every_module_says_what_it_is_for() -> None:
    assert [str(path) for path in SOURCES if not ast.get_docstring(ast.parse((ROOT / path).read_text()))] == []


def test_there_is_no_importable_package_called_export() -> None:
    assert not (ROOT / "export" / "__init__.py").exists()


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_is_short_holds_values_only_and_says_how_to_run_it(recipe: Path) -> None:
    text = recipe.read_text()
    assert text.count("\n") <= 40
    assert text.startswith("#")
    assert f"kvision train {recipe.relative_to(ROOT)}" in text.split("system:")[0]
    assert "!" not in re.sub(r"#.*", "", text)
    assert "${" not in text


def readme_commands() -> list[str]:
    return [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("python3 -m venv ")]


def test_the_readme_sets_up_with_two_commands_of_one_line_each() -> None:
    main, tests = readme_commands()
    assert main.endswith("kvision train recipes/unet.yaml")
    assert tests.endswith("python -m pytest")
    for command in (main, tests):
        assert "pip install -q -c constraints.txt" in command


def test_ci_runs_the_test_command_of_the_readme_word_for_word() -> None:
    assert readme_commands()[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_constraints_hold_versions_only_and_pin_every_dependency() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9A-Za-z.+]+", line)] == []
    pinned = {re.split("==", line)[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [item for extra in project["optional-dependencies"].values() for item in extra]
    names = {re.split(r"[<>=\[ ]", item)[0].lower() for item in wanted} - {"kvision"}
    assert names - pinned == set()
