"""What the properties of one system share; see tests/README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance import subject

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_export.subject import Subject
    from tests.conformance.bench import Bench


@pytest.fixture(scope="module")
def _opened_bench(name: str) -> Bench:
    from tests.conformance.bench import Bench

    return Bench(name)


@pytest.fixture
def bench(_opened_bench: Bench) -> Bench:
    """The system in training, at its start."""
    _opened_bench.begin()
    return _opened_bench


@pytest.fixture(scope="module")
def exported(name: str, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The system ready for export, with scattered weights; not to be changed."""
    from kvision_export.subject import Subject

    folder: Path = tmp_path_factory.mktemp("run")
    session = subject.open_session(name, training=False)
    for number, net in enumerate(session.system.networks.values()):
        subject.fill(net, shift=number)
    return Subject(session, folder, folder, "best", name.rpartition("/")[2])
