"""Pages that are walked: their blocks run one after the other as the reader would run them, with trainings of a few steps."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from kvision import catalog, cli
from kvision_edge import cli as edge
from kvision_export.parity import latency
from tests.docs import folders, shell
from tests.docs.blocks import PAGES, ROOT, Block, read

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW = {
    "image_masks": ["train.steps=2", "train.epochs=1", "data.size_px=32", "data.batch=4", "model.width=4", "model.depth=2"],
    "image_folder": ["train.steps=2", "train.epochs=1", "data.size_px=32", "data.batch=4"],
    "caption_folder": ["train.steps=2", "train.epochs=1", "data.size_px=32", "data.batch=4"],
    "gymnasium": ["train.epochs=1", "data.steps=256", "data.episodes=2"],
    "text": ["train.steps=2", "train.epochs=1", "model.width=16"],
    "text_pairs": ["train.steps=2", "train.epochs=1", "model.width=16"],
}
"""What makes a training of the reader's own recipe one of seconds, by its source; shipped recipes have their section `smoke`."""
REJECTED = 4
OTHERS = [
    ("classification", "the bundle of a classifier"),
    ("captioning", "the bundle of a captioner"),
    ("agents", "the bundle of an agent"),
    ("sequence", "the bundle of a seq2seq run"),
]
"""The pages that are walked behind `slow`, and the bundle that each makes."""


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the reader stands, with folders of pictures and text; latencies are measured by five calls."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(latency, "measure", functools.partial(latency.measure, budget_s=0.0))
    folders.lay(tmp_path)
    yield shell.desk(tmp_path)
    monkeypatch.undo()


def walk(page: str, folder: Path) -> list[str]:
    """Runs the blocks of a page.

    Args:
        page: The page.
        folder: Where the reader stands.

    Returns:
        The commands that were run, in order.
    """
    done = []
    for block in read(page):
        if block.file is not None:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        if block.language == "sh" and block.runs:
            for call in shell.calls(block.text, folder):
                run(call, block)
                done.append(" ".join(call[:2]))
    return done


def run(call: list[str], block: Block) -> None:
    """Makes one call in this process; what trains, trains for a few steps."""
    if call[0] == "kvision-edge":
        assert edge.main(call[1:]) == 0, f"{block.place}: {call}"
        return
    name, given = shell.parsed(call[1:])
    outcome = CliRunner().invoke(cli.app, [*call[1:], *_short(name, given)])
    accepted = (0, REJECTED) if name == "export" else (0,)
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    assert outcome.exit_code in accepted, f"{block.place}: {call}: {outcome.output}"


def _short(name: str, given: dict[str, object]) -> list[str]:
    """What is added to a call so that it takes seconds."""
    if name not in ("train", "plan"):
        return ["data.episodes=2"] if name == "eval" and any("data.episodes" in text for text in given["overrides"] or ()) else []
    recipe = catalog.load(str(given["recipe"])).recipe
    return ["--smoke"] if recipe.smoke else FEW[recipe.data.source]


def test_the_page_on_segmentation_works_as_it_stands(reader: Path) -> None:
    done = walk("docs/start/segmentation.md", reader)
    assert done == [
        "kvision new", "kvision data", "kvision data", "kvision plan", "kvision train", "kvision eval", "kvision predict", "kvision export",
        "kvision-edge run",
    ]  # fmt: skip
    assert (reader / "runs/cells/report.html").is_file()
    assert (reader / "data.html").is_file()
    predicted = json.loads(next((reader / "runs/cells/predictions").rglob("predictions.json")).read_text())
    assert len(predicted["images"]) == 2
    manifest = json.loads((reader / "runs/cells/bundle/manifest.json").read_text())
    assert "tflite-fp32" in json.dumps(manifest["files"])
    shutil.copytree(reader / "runs/cells/bundle", reader / "bundle")
    assert run_python("the bundle of a segmenter") == ["docs/deploy.md", "edge/README.md"]


def run_python(needs: str) -> list[str]:
    """Runs the Python of all pages that needs what is there now, and gives the pages."""
    blocks = [block for page in PAGES for block in read(page) if block.marks.get("needs") == needs]
    for block in blocks:
        exec(compile(block.text, block.place, "exec"), {"paths": ["photo.jpg"]})
    return [block.page for block in blocks]


def test_python_that_needs_a_bundle_has_a_walk_that_makes_one() -> None:
    needs = {block.marks["needs"] for page in PAGES for block in read(page) if "needs" in block.marks}
    assert needs <= {"the bundle of a segmenter", *(bundle for _, bundle in OTHERS)}


@pytest.mark.slow
@pytest.mark.parametrize(("page", "bundle"), OTHERS)
def test_the_other_first_pages_work_as_they_stand(page: str, bundle: str, reader: Path) -> None:
    assert len(walk(f"docs/start/{page}.md", reader)) >= 4
    made = sorted((reader / "runs").glob("*/bundle"))
    shutil.copytree(made[-1], reader / "bundle")
    run_python(bundle)


@pytest.mark.slow
def test_a_system_made_by_the_page_passes_the_conformance_tests(tmp_path: Path) -> None:
    tree = tmp_path / "kvision"
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    for block in read("docs/new-system.md"):
        if block.file is not None:
            (tree / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "sh" and block.runs:
            for program, *arguments in shell.calls(block.text, tree):
                in_tree(tree, *(["-m", "kvision"] if program == "kvision" else []), *arguments)
    options = ["-p", "no:xdist", "-o", "addopts=", "--import-mode=importlib", "-q"]
    told = in_tree(tree, "-m", "pytest", *options, "tests/conformance", "-k", "segmentation/dilated")
    assert " passed" in told
    assert "cost:" in (tree / "recipes/segmentation/dilated.yaml").read_text()


def in_tree(tree: Path, *arguments: str) -> str:
    """Runs Python in a copy of the repository, and gives what it prints."""
    path = os.pathsep.join(str(tree / part) for part in ("", "export", "edge"))
    done = subprocess.run([sys.executable, *arguments], cwd=tree, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout
