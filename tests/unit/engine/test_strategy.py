"""The choice of devices; the tests run with two logical CPUs and no GPU."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.engine import multi_worker, strategy
from kvision.engine.cluster import Cluster


@pytest.mark.parametrize(("devices", "replicas"), [("auto", 1), ("cpu", 1), ("cpu:1", 1), ("cpu:2", 2)])
def test_replicas(devices: str, replicas: int) -> None:
    assert strategy.make(devices).num_replicas_in_sync == replicas


def test_all_gpus_when_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy, "_num_gpus", lambda: 3)
    assert strategy._names("auto") == ["gpu:0", "gpu:1", "gpu:2"]
    assert strategy._names("gpu") == ["gpu:0", "gpu:1", "gpu:2"]
    assert strategy._names("gpu:2,0") == ["gpu:2", "gpu:0"]
    with pytest.raises(UsageError, match=r"gpu:1,3: GPU 3 is not here; here there are 1 CPU and 3 GPUs \(gpu:0,1,2\)"):
        strategy.make("gpu:1,3")
    with pytest.raises(UsageError, match="named twice"):
        strategy.make("gpu:1,1")


@pytest.mark.parametrize("devices", ["npu", "cpu:0", "cpu:x", "gpu:", "gpu:0,", "GPU 0", ""])
def test_bad_values_say_what_is_accepted_and_what_is_here(devices: str) -> None:
    with pytest.raises(UsageError, match=r"not a choice of devices; accepted are auto .* gpu:I,J, tpu or tpu:NAME; here there are 1 CPU and 0 GPUs"):
        strategy.make(devices)


def test_a_worker_takes_its_own_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], Cluster]] = []
    monkeypatch.setattr(multi_worker, "MultiWorker", lambda names, cluster: asked.append((names, cluster)))
    monkeypatch.setattr(strategy, "_num_gpus", lambda: 4)
    two = Cluster(("a:1", "b:2"), 1)
    for devices in ("auto", "gpu:1,3", "cpu:2"):
        strategy.make(devices, two)
    assert asked == [(["gpu:0", "gpu:1", "gpu:2", "gpu:3"], two), (["gpu:1", "gpu:3"], two), (["cpu:0", "cpu:1"], two)]


@pytest.mark.parametrize(("devices", "named", "name"), [("tpu", "", "local"), ("tpu", "pod7", "pod7"), ("tpu:mine", "pod7", "mine")])
def test_a_tpu(monkeypatch: pytest.MonkeyPatch, devices: str, named: str, name: str) -> None:
    done: list[tuple[str, object]] = []
    monkeypatch.setenv("TPU_NAME", named)
    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", lambda tpu: f"resolver of {tpu}")
    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", lambda resolver: done.append(("connected", resolver)))
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", lambda resolver: done.append(("initialised", resolver)))
    monkeypatch.setattr(tf.distribute, "TPUStrategy", lambda resolver: ("strategy", resolver))
    found = f"resolver of {name}"
    assert strategy.make(devices) == ("strategy", found)
    assert done == [("connected", found), ("initialised", found)]


def test_no_tpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(tpu: str) -> None:
        raise ValueError(f"Could not find {tpu}")

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", missing)
    with pytest.raises(
        UsageError, match=r"--devices tpu:pod: the TPU 'pod' can't be used: Could not find pod; here there are 1 CPU.*use auto or cpu"
    ):
        strategy.make("tpu:pod")
    with pytest.raises(UsageError, match=r"--devices tpu: a TPU pod is driven by one process; leave --workers out"):
        strategy.make("tpu", Cluster(("a:1", "b:2"), 0))


def test_how_gradients_are_summed() -> None:
    assert strategy.collective(strategy.make("cpu")) == "none"
    assert strategy.collective(strategy.make("cpu:2")) == "adding on cpu:0"


@pytest.mark.gpu
@pytest.mark.skipif(os.environ["CUDA_VISIBLE_DEVICES"] == "-1", reason="no GPU is given to the tests; see the mark `gpu`")
def test_all_gpus_of_this_machine() -> None:
    made = strategy.make("gpu")
    assert made.num_replicas_in_sync == len(tf.config.list_physical_devices("GPU"))
    assert strategy.collective(made) == ("NCCL" if made.num_replicas_in_sync > 1 else "none")


def test_no_gpu() -> None:
    with pytest.raises(UsageError, match=r"--devices gpu: a GPU is not here.*use auto or cpu"):
        strategy.make("gpu")


def test_logical_cpus_come_too_late_once_tensorflow_has_started() -> None:
    tf.constant(1)
    with pytest.raises(UsageError, match=r"cpu:3: TensorFlow has already started with 2 logical CPU device\(s\); .* or use cpu:2"):
        strategy.make("cpu:3")


@pytest.mark.slow
def test_logical_cpus_are_made_in_a_fresh_process() -> None:
    code = "from kvision.engine import strategy; made = strategy.make('cpu:3'); print(made.num_replicas_in_sync, strategy.per_replica(made, 12))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3 4\n"


def test_the_global_batch_must_be_shared_evenly() -> None:
    both = strategy.make("cpu:2")
    assert strategy.per_replica(both, 16) == 8
    with pytest.raises(UsageError, match=r"data.batch: 15 .* 2 replica\(s\) x .*=1; a multiple of 2 is accepted; use data.batch=14 or 16"):
        strategy.per_replica(both, 15)
    with pytest.raises(UsageError, match=r"a multiple of 8 is accepted; use data.batch=8"):
        strategy.per_replica(both, 4, accumulate=4)
