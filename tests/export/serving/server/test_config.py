"""TF Serving's text files: models.config and batching_params.pbtxt."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvision.core.errors import UsageError
from kvision_export.serving.server.config import Batching, ModelSource, read_batching, read_models

MODELS = """
model_config_list {
  config { name: "a" base_path: "/m/a" model_platform: "tensorflow" }
  config {
    name: "b" base_path: "/m/b" model_platform: "tensorflow"
    model_version_policy { specific { versions: 3 versions: 1 } }
    version_labels { key: "stable" value: 1 }
  }
  config { name: "c" base_path: "/m/c" model_version_policy { all {} } }
  config { name: "d" base_path: "/m/d" model_version_policy { latest { num_versions: 2 } } }
}
"""
FOUND = {version: Path(str(version)) for version in (1, 2, 3, 10)}


def test_policies(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text(MODELS)
    sources = read_models(path)
    assert [(source.name, str(source.base_path), dict(source.labels)) for source in sources[:2]] == [("a", "/m/a", {}), ("b", "/m/b", {"stable": 1})]
    assert [list(source.wanted(FOUND)) for source in sources] == [[10], [3, 1], [10, 3, 2, 1], [10, 3]]
    assert ModelSource("x", tmp_path).wanted({}) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models {", "has no field named"),
        ('model_config_list { config { name: "a" base_path: "m" } }', r"Expected model a to have an absolute path or URI; got base_path\(\)=m"),
        ('model_config_list { config { name: "a" base_path: "/m" } config { name: "a" base_path: "/m" } }', "Illegal to list model a multiple times"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "models.config"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_models(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"models\.config.*model_config_list"):
        read_models(tmp_path / "models.config")


def test_batching_parameters(tmp_path: Path) -> None:
    path = tmp_path / "batching_params.pbtxt"
    path.write_text(
        "# as configs write it\nmax_batch_size { value: 8 }\nbatch_timeout_micros { value: 1000 }\nmax_enqueued_batches { value: 5 }\n"
        "allowed_batch_sizes: 4\nallowed_batch_sizes: 8\nthread_pool_name { value: 'x' }\nenable_large_batch_splitting { value: false }\n"
    )
    batching = read_batching(path, Batching(num_batch_threads=3))
    assert batching == Batching(8, 1000, 5, 3, (4, 8), large_requests=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch { value: 8 }", "pbtxt:1: max_batch: accepted are max_batch_size"),
        ("\nmax_batch_size { value: many }", "pbtxt:2: .*expected a whole number"),
        ("max_batch_size { value: 8 }\nallowed_batch_sizes: 4", r"allowed_batch_sizes \(4,\) must rise and end with max_batch_size 8"),
    ],
)
def test_batching_parameters_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "batching_params.pbtxt"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_batching(path, Batching())
