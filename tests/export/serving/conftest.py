"""The models of the golden suite, saved once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.export.serving import models, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def model_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models.config with `half`, `pair`, `picture` and `kinds`."""
    return models.write(tmp_path_factory.mktemp("models"))


@pytest.fixture
def script() -> Iterator[scripted.Script]:
    """A server that answers as a segmenter, or by the replies that a test gives it."""
    with scripted.running(scripted.Script(scripted.segment, scripted.OUTPUTS)) as running:
        yield running
