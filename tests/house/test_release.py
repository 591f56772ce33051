"""What is released says the same everywhere: one version, one list of dependencies, one way to check; wheel.sh proves the wheel itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import kvision
import kvision_edge

ROOT = Path(__file__).resolve().parents[2]
CONDA_NAMES = {"flatbuffers": "python-flatbuffers", "matplotlib": "matplotlib-base"}
"""Those of conda-forge that are not PyPI's."""


def loaded(path: str):
    return YAML(typ="safe").load((ROOT / path).read_text("utf-8"))


def project(folder: str = ".") -> dict:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize(("folder", "package"), [(".", kvision), ("edge", kvision_edge)])
def test_the_version_stands_in_the_package_and_the_project_reads_it_there(folder, package):
    found = project(folder)
    assert found["project"]["dynamic"] == ["version"]
    assert "version" not in found["project"]
    source = (ROOT / folder / found["tool"]["hatch"]["version"]["path"]).read_text("utf-8")
    assert re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE) == [package.__version__]
    assert re.fullmatch(r"\d+\.\d+\.\d+", package.__version__)


def test_the_changelog_tells_what_is_released_and_what_is_not_yet():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1:] in ([], [kvision.__version__, *headings[2:]])


def test_the_citation_is_whole_and_of_this_version():
    found = loaded("CITATION.cff")
    assert {"cff-version", "message", "title", "type", "authors", "version", "license"} <= found.keys()
    assert (found["cff-version"], found["type"], found["title"]) == ("1.2.0", "software", "kvision")
    assert found["version"] == kvision.__version__
    assert found["license"] == project()["project"]["license"]
    assert sorted(found["keywords"]) == sorted(project()["project"]["keywords"])
    assert all(author.keys() <= {"name", "family-names", "given-names", "orcid"} for author in found["authors"])


def test_the_conda_recipe_has_the_version_and_the_dependencies_of_the_project():
    recipe, wanted = loaded("conda/recipe.yaml"), project()["project"]
    assert recipe["context"]["version"] == kvision.__version__
    python, *run = recipe["requirements"]["run"]
    assert python == "python " + wanted["requires-python"]
    split = [re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", dependency) for dependency in wanted["dependencies"]]
    assert run == [f"{CONDA_NAMES.get(match[1], match[1])} {match[2]}" for match in split if match]
    assert recipe["requirements"]["host"][2:] == [re.sub(r"(?=[<>=])", " ", text, count=1) for text in project()["build-system"]["requires"]]
    points = {f"{name} = {target}" for name, target in wanted["scripts"].items()}
    assert set(recipe["build"]["python"]["entry_points"]) == points
    assert recipe["about"]["license"] == wanted["license"]
    assert recipe["about"]["summary"] == wanted["description"]


def test_rattler_build_takes_the_conda_recipe():
    rattler_build = pytest.importorskip("rattler_build")
    (variant,) = rattler_build.Stage0Recipe.from_file(str(ROOT / "conda" / "recipe.yaml")).render(rattler_build.VariantConfig())
    assert variant.recipe.package.name == "kvision"


def test_github_runs_what_ci_runs_and_nothing_else_on_every_python():
    workflow = loaded(".github/workflows/ci.yml")
    (job,) = workflow["jobs"].values()
    classifiers = project()["project"]["classifiers"]
    assert job["strategy"]["matrix"] == {"python": re.findall(r"Python :: (3\.\d+)", "\n".join(classifiers))}
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert workflow["permissions"] == {"contents": "read"}
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_actions_are_pinned_by_commit_with_the_version_beside_it():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    uses = re.findall(r"uses: (.+)", text)
    assert len(uses) == 2
    assert [each for each in uses if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []
