"""The options of `kvision plan` reach the command, in the units of its formulas."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from kvision import cli
from kvision.commands import plan
from kvision.core.errors import UsageError
from kvision.ops.scaling import Cluster
from tests.unit.test_cli_check import stand_in


def test_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = stand_in(monkeypatch, "plan", None)
    options = "--devices 256 --images 1e9 --speed 3 --per-node 4 --inner-gbit-s 8 --link-gbit-s 80 --latency-us 5 --overlap 0.5 --jitter 0.1"
    more = "--mtbf-h 2 --restart-s 7 --write-mb-s 3 --image-kb 50 --precision bf16 --smoke --json"
    result = CliRunner().invoke(cli.app, ["plan", "unet", "optim.lr=1", *options.split(), *more.split()])
    assert result.exit_code == 0, result.output
    assert seen.pop("cluster") == Cluster(
        speed=3, per_node=4, inner_bandwidth=1e9, link_bandwidth=1e10, link_latency_s=5e-6, overlap=0.5, jitter=0.1, mtbf_s=7200, restart_s=7,
        write_bandwidth=3e6, image_bytes=50e3,
    )  # fmt: skip
    assert seen == {
        "source": "unet", "overrides": ["optim.lr=1"], "devices": "256", "images": 1e9, "precision": "bf16", "smoke": True, "json_lines": True,
    }  # fmt: skip


def test_without_options_it_is_the_default_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = stand_in(monkeypatch, "plan", None)
    assert CliRunner().invoke(cli.app, ["plan", "unet"]).exit_code == 0
    assert seen["cluster"] == Cluster()
    assert (seen["devices"], seen["images"]) == ("auto", None)


@pytest.mark.parametrize("devices", ["0", "cpu"])
def test_a_cluster_of_none(devices: str) -> None:
    with pytest.raises(UsageError, match=rf"--devices {devices}: for a cluster, .* a number of accelerators from 1 is accepted, such as 256"):
        plan.run("unet", devices=devices, images=1e9)
