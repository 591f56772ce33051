"""Requests by the thousand, right and wrong, made by schemathesis of what servers say of themselves: `pytest -m slow -s tests/faults/test_http.py`.

Needs `pip install schemathesis`. `KVISION_FUZZ=1000` asks so often of each address.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.faults import http_surfaces
from tests.unit import run_folders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = os.environ.get("KVISION_FUZZ", "100")
SERVING = """
[checks]
unsupported_method.enabled = false  # TensorFlow Serving answers 400 to a method that it does not know, and so do we

[[operations]]
include-path-regex = "/models/(bytes|integers)"
checks.positive_data_acceptance.enabled = false  # a schema can't say which bytes make a picture, nor that 3.0 is no integer
"""
PAGES = """
[checks]
negative_data_rejection.enabled = false  # pages pass over what they do not know, as addresses in a browser do
positive_data_acceptance.enabled = false  # most names are of runs that are not there
"""
pytestmark = [pytest.mark.slow, pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="needs pip install schemathesis")]


def ask(place: str, settings: str, folder: Path, *options: str) -> None:
    """Runs all checks but those that the settings name, tells how many requests were made, and fails with what was found."""
    (folder / "schemathesis.toml").write_text(settings)
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "--config-file", "schemathesis.toml", "run", place]
    command += ["--max-examples", EXAMPLES, "--seed", "0", "--continue-on-failure", "--report", "har,junit", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[str]:
    app = pytest.importorskip("kvision_export.serving.server.app")
    root = http_surfaces.save(tmp_path / "models")
    sources = [app.ModelSource(folder.name, folder, {"stable": 1} if folder.name == "numbers" else {}) for folder in sorted(root.iterdir())]
    with app.Server(sources, options=app.Options(max_body_bytes=1 << 20)) as server:
        yield f"http://127.0.0.1:{server.rest_port}"


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[str]:
    from kvision.ui import server
    from tests.unit.ui.conftest import write_bundle

    write_bundle(run_folders.make(tmp_path / "runs" / "unet") / "bundle")
    listening = server.listen("127.0.0.1", 0)
    made = server.server(tmp_path / "runs", "127.0.0.1")
    thread = threading.Thread(target=made.run, args=([listening],))
    thread.start()
    yield server.url(listening).rstrip("/")
    made.should_exit = True
    thread.join(10)


def test_the_embedded_server_keeps_what_its_document_says(serving: str, tmp_path: Path) -> None:
    ask(f"{serving}/openapi.json", SERVING, tmp_path)


def test_the_pages_answer_whatever_they_are_asked(shown: str, tmp_path: Path) -> None:
    (tmp_path / "pages.json").write_text(json.dumps(http_surfaces.pages()))
    ask("pages.json", PAGES, tmp_path, "--url", shown)
