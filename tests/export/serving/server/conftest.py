"""A model small enough to be worked out by hand, saved once, and a server on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kvision_export.serving.server.app import ModelSource, Options, Server
from tests.export.serving.server.asking import Site


def save(folder: Path, offset: float) -> None:
    """Saves y = x / 2 + offset by rows, the same of Examples, an echo of strings, and outputs of several kinds."""
    import tensorflow as tf

    module = tf.Module()
    module.offset = tf.Variable(offset)

    def rows_named(dtype: Any, name: str) -> Any:
        return tf.TensorSpec([None], dtype, name=name)

    rows, serialized = rows_named(tf.float32, "x"), rows_named(tf.string, "inputs")

    def feature(inputs: Any) -> Any:
        return tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]

    def checked(x: Any) -> Any:
        with tf.control_dependencies([tf.debugging.assert_non_negative(x, "x is negative")]):
            return {"y": tf.sqrt(x)}

    def classes(inputs: Any) -> Any:
        x = feature(inputs)
        return {"scores": tf.concat([x, x / 2], 1), "classes": tf.tile([["whole", "half"]], [tf.shape(x)[0], 1])}

    def several(x: Any) -> Any:
        return {"png_bytes": tf.strings.as_string(x), "name": tf.strings.as_string(x), "count": tf.size(x), "pairs": tf.stack([x, -x], 1)}

    def spin(x: Any) -> Any:
        return {"y": tf.while_loop(lambda i, _: i < 200_000_000, lambda i, y: (i + 1, y + 1e-9), [0, x], parallel_iterations=1)[1]}

    functions = {
        "serving_default": tf.function(lambda x: {"y": x / 2 + module.offset}, [rows]),
        "checked": tf.function(checked, [rows]),
        "regress_x": tf.function(lambda inputs: {"outputs": feature(inputs) / 2 + module.offset}, [serialized]),
        "classify_x": tf.function(classes, [serialized]),
        "several": tf.function(several, [rows]),
        "spin": tf.function(spin, [rows]),
        "difference": tf.function(lambda a, b: {"y": a - tf.cast(b, tf.float32)}, [rows_named(tf.float32, "a"), rows_named(tf.int32, "b")]),
    }
    tf.saved_model.save(module, str(folder), signatures={name: function.get_concrete_function() for name, function in functions.items()})


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """SavedModels by their offset, 2 and 3; not to be changed."""
    root = tmp_path_factory.mktemp("saved")
    for offset in (2, 3):
        save(root / str(offset), float(offset))
    return {offset: root / str(offset) for offset in (2, 3)}


@pytest.fixture
def base(saved: dict[int, Path], tmp_path: Path) -> Path:
    """A base path of one's own with version 1, y = x / 2 + 2."""
    shutil.copytree(saved[2], tmp_path / "half" / "1")
    return tmp_path / "half"


@pytest.fixture
def serve(base: Path) -> Iterator[Callable[..., Site]]:
    """Starts a server on `base`; it is stopped after the test."""
    running: list[Server] = []

    def start(source: ModelSource | None = None, **options: Any) -> Site:
        server = Server([source or ModelSource("half", base)], options=Options(**{"poll_wait_s": 0.05, **options}))
        running.append(server.start())
        return Site(server)

    yield start
    for server in running:
        server.stop(2)


@pytest.fixture(scope="session")
def site(saved: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that is not to be changed: `half` with versions 1 and 2, labels `stable` and `next`."""
    base = tmp_path_factory.mktemp("site") / "half"
    for version, folder in enumerate(saved.values(), 1):
        shutil.copytree(folder, base / str(version))
    with Server([ModelSource("half", base, {"stable": 1, "next": 2}, latest=None)], options=Options(max_body_bytes=100_000)) as server:
        yield Site(server)
