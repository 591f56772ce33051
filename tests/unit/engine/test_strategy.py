"""The choice of devices; the tests run with two logical CPUs and no GPU."""

from __future__ import annotations

import subprocess
import sys

import pytest
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.engine import strategy


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


@pytest.mark.parametrize("devices", ["tpu", "cpu:0", "cpu:x", "gpu:", "gpu:0,", "GPU 0", ""])
def test_bad_values_say_what_is_accepted_and_what_is_here(devices: str) -> None:
    with pytest.raises(UsageError, match=r"not a choice of devices; accepted are auto .* gpu:I,J; here there are 1 CPU and 0 GPUs"):
        strategy.make(devices)


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
