"""Figures of a plan for a cluster, by hand and as people see them; nothing of them needs TensorFlow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kvision.commands import plan_cluster
from kvision.core.errors import UsageError
from kvision.ops.scaling import Cluster

FACTS: dict[str, Any] = {
    "step_s": 0.5, "batch": 8, "trainable": 1_000_000, "synchronized": [], "num_train": 4000, "epochs": 2, "checkpoint": 12_000_000,
}  # fmt: skip
PLAIN = Cluster(
    speed=5.0, per_node=2, inner_bandwidth=400e6, link_bandwidth=100e6, inner_latency_s=0.0, link_latency_s=0.0, jitter=0.0, mtbf_s=4e6,
    restart_s=0.0, write_bandwidth=12e6, image_bytes=100e3, shard_bytes=100e6,
)  # fmt: skip


def test_four_accelerators_in_two_nodes_by_hand() -> None:
    """4 MB of gradients: 10 ms within a node, 40 ms between two; a step of 0.1 s is 0.15 s."""
    found = plan_cluster.measure(FACTS, 4, 1e6, PLAIN)
    last = found["efficiency"][-1]
    assert [at["devices"] for at in found["efficiency"]] == [1, 2, 4]
    assert (found["batch"], found["gradient_bytes"]) == (32, 4_000_000)
    assert last["all_reduce_s"] == pytest.approx(0.05)
    assert last["step_s"] == pytest.approx(0.15)
    assert last["efficiency"] == pytest.approx(2 / 3)
    assert last["images_per_s"] == pytest.approx(32 / 0.15)
    assert found["steps"] == 2 * 31_250
    assert found["work_s"] == pytest.approx(62_500 * 0.15)
    assert (found["stored_bytes"], found["files"]) == (1e11, 1000)
    assert found["read_bytes_per_s_of_a_node"] == pytest.approx(32 / 0.15 * 100e3 / 2)
    assert found["files_in_a_batch_without_index"] == pytest.approx(32 * (1 - (31 / 32) ** 32))
    assert found["failures_a_day"] == pytest.approx(0.0864)
    assert found["young_s"] == pytest.approx(1000 * 2**0.5)
    assert found["checkpoint_every_steps"] == round(found["daly_s"] / last["step_s"])
    assert found["whole_s"] == pytest.approx(found["work_s"] / found["goodput"])
    assert json.loads(json.dumps(found)) == found


def test_two_batch_norms_by_hand() -> None:
    """Of 4 accelerators, 32 bytes a channel: of 400,000 channels in all 12.8 MB, forward and backward, 32 ms within a node and 128 ms between two."""
    found = plan_cluster.measure({**FACTS, "synchronized": [100_000, 300_000]}, 4, 1e6, PLAIN)["efficiency"]
    assert [at["batch_norms_s"] for at in found] == pytest.approx([0.0, 2 * 6.4e6 / 400e6, 2 * (12.8e6 / 400e6 + 12.8e6 / 100e6)])
    assert found[-1]["step_s"] == pytest.approx(0.15 + found[-1]["batch_norms_s"])


def test_a_number_that_is_no_power_of_two_is_asked_for_last_and_the_recipe_s_images_are_the_default() -> None:
    found = plan_cluster.measure(FACTS, 6, None, PLAIN)
    assert [at["devices"] for at in found["efficiency"]] == [1, 2, 4, 6]
    assert found["images"] == 4000


def test_too_few_images() -> None:
    with pytest.raises(UsageError, match=r"--images 1,000: fewer than the 2,048 of a step on 256 accelerators, each with data\.batch=8; "):
        plan_cluster.measure(FACTS, 256, 1000, PLAIN)


def test_what_people_see(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    plan_cluster.show(plan_cluster.measure(FACTS, 256, 1e9, PLAIN), PLAIN)
    seen = capsys.readouterr().out
    for wanted in (
        "efficiency", "256 accelerators in 128 nodes, each 5 times as fast as this one", "1,000,000,000 images, 100 TB in 1,000,000 files of 100 MB",
        "4.0 MB of gradients a step", "0 layers synchronised", "train.checkpoint_every_steps=", "work that lasts", "(of one accelerator: 1,111 h)",
    ):  # fmt: skip
        assert wanted in seen, seen
