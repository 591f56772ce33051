"""The embedded server under load (benchmarks/serving.py): a short round in every test run, the whole of it as slow evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import serving
from tests.export.serving import servers

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_is_lost_while_a_version_is_replaced_and_clients_vanish(tmp_path: Path) -> None:
    config, live = serving.write(tmp_path)
    with servers.running("embedded", config) as ports:

        def meanwhile() -> None:
            live.publish()
            serving.vanish(ports.rest, 3)

        made = serving.drive(ports.rest, 200, 8, meanwhile)
        live.wait(ports.rest)
        after = serving.drive(ports.rest, 3 * serving.KINDS, 2)
    assert made.wrong == after.wrong == []
    assert len(made.latencies_ms) == 200


def test_the_load_test_notices_a_wrong_answer(tmp_path: Path) -> None:
    config, _ = serving.write(tmp_path)
    config.write_text(config.read_text().replace("versions: 1 versions: 2", "versions: 1"))  # half is now x / 2 + 2
    with servers.running("embedded", config) as ports:
        made = serving.drive(ports.rest, serving.KINDS, 1)
    assert len(made.wrong) == 2
    assert all("/v1/models/half:predict: 200" in wrong for wrong in made.wrong)


@pytest.mark.slow
def test_a_thousand_mixed_requests_from_sixteen_clients() -> None:
    facts = serving.measure(1000, 16)
    assert [facts[name]["lost_or_wrong"] for name in ("first", "second", "reload", "60 clients vanished")] == [0, 0, 0, 0]
    assert facts["rss_mb"]["second"] <= 1.02 * facts["rss_mb"]["first"]
    assert facts["rss_mb"]["end"] <= 1.10 * facts["rss_mb"]["first"]  # for a moment there were two versions, and TensorFlow keeps what it had
