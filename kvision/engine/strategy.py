"""From the command line's `--devices` and `--workers` to a `tf.distribute` strategy."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.engine.cluster import Cluster

ACCEPTED = "auto (all GPUs, else the CPU), cpu, cpu:N (N logical CPU devices), gpu, gpu:I or gpu:I,J, tpu or tpu:NAME"


def make(devices: str = "auto", cluster: Cluster | None = None) -> tf.distribute.Strategy:
    """The strategy for a choice of devices: OneDevice for one, Mirrored for several, MultiWorkerMirrored for several workers, TPU for TPUs.

    Args:
        devices: `auto`, `cpu`, `cpu:N` (N replicas on the CPU), `gpu` (all of them), `gpu:0,1` (those), `tpu` or `tpu:NAME`; of each worker.
        cluster: The processes that train together; none: this one alone. It waits for all of them.

    Returns:
        A strategy; everything that owns variables must be built inside its scope.

    Raises:
        UsageError: `devices` is not one of these, names a device that is not here, or asks for logical CPUs after TensorFlow has started.
    """
    if devices == "tpu" or devices.startswith("tpu:"):
        return _tpu(devices, cluster)
    names = _names(devices)
    if cluster is not None:
        from kvision.engine.multi_worker import MultiWorker

        return MultiWorker(names, cluster)
    if len(names) == 1:
        return tf.distribute.OneDeviceStrategy(names[0])
    if names[0].startswith("cpu"):
        # NCCL is for GPUs; adding up on one device in the replicas' order gives the same bits every time.
        return tf.distribute.MirroredStrategy(names, cross_device_ops=tf.distribute.ReductionToOneDevice())
    return tf.distribute.MirroredStrategy(names)


def collective(strategy: tf.distribute.Strategy) -> str:
    """How the replicas' gradients are summed, in a word or two."""
    if strategy.num_replicas_in_sync == 1:
        return "none"
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return "TPU interconnect"
    if "GPU" in strategy.extended.worker_devices[0]:
        return "NCCL"
    return "ring" if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) else "adding on cpu:0"


def _tpu(devices: str, cluster: Cluster | None) -> tf.distribute.Strategy:
    """All cores of a TPU: of the one of that name, or of TPU_NAME, or of this machine."""
    if cluster is not None:
        raise UsageError(f"--devices {devices}: a TPU pod is driven by one process; leave --workers out (and TF_CONFIG, or give --workers none)")
    name = devices.partition(":")[2] or os.environ.get("TPU_NAME") or "local"
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, ImportError, RuntimeError, OSError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0][:200]
        raise UsageError(f"--devices {devices}: the TPU {name!r} can't be used: {reason}; here there are {_here()}; use auto or cpu") from error
    return tf.distribute.TPUStrategy(resolver)


def _names(devices: str) -> list[str]:
    """Device names such as `cpu:0`, the first replica's first."""
    if devices == "auto":
        return [f"gpu:{i}" for i in range(_num_gpus())] or ["cpu:0"]
    match = re.fullmatch(r"(cpu)(?::([1-9]\d{0,2}))?|(gpu)(?::(\d{1,3}(?:,\d{1,3})*))?", devices)
    if match is None:
        raise UsageError(f"--devices {devices}: not a choice of devices; accepted are {ACCEPTED}; here there are {_here()}")
    cpu, num_cpus, _, gpu_ids = match.groups()
    if cpu:
        return _cpus(int(num_cpus or 1))
    return _gpus(devices, [int(i) for i in gpu_ids.split(",")] if gpu_ids else list(range(_num_gpus())))


def _cpus(count: int) -> list[str]:
    """The first `count` logical CPU devices, made if they are not there yet."""
    physical = tf.config.list_physical_devices("CPU")[0]
    configured = tf.config.get_logical_device_configuration(physical) or [None]
    if len(configured) < count:
        try:
            tf.config.set_logical_device_configuration(physical, [tf.config.LogicalDeviceConfiguration()] * count)
        except RuntimeError as error:
            raise UsageError(
                f"--devices cpu:{count}: TensorFlow has already started with {len(configured)} logical CPU device(s); "
                f"call strategy.make before anything else uses TensorFlow, or use cpu" + (f":{len(configured)}" if len(configured) > 1 else "")
            ) from error
    return [f"cpu:{i}" for i in range(count)]


def _gpus(devices: str, ids: list[int]) -> list[str]:
    """The GPUs with these numbers."""
    missing = [i for i in ids if i >= _num_gpus()]
    if missing or not ids:
        wanted = "a GPU" if not ids else f"GPU {missing[0]}"
        raise UsageError(f"--devices {devices}: {wanted} is not here; here there are {_here()}; use auto or cpu, or see `kvision doctor`")
    if len(set(ids)) != len(ids):
        raise UsageError(f"--devices {devices}: a GPU is named twice; name each once")
    return [f"gpu:{i}" for i in ids]


def _num_gpus() -> int:
    return len(tf.config.list_physical_devices("GPU"))


def _here() -> str:
    """The devices of this machine, for messages."""
    gpus = _num_gpus()
    return f"1 CPU and {gpus} GPU{'' if gpus == 1 else 's'}" + (f" (gpu:{','.join(map(str, range(gpus)))})" if gpus else "")


def per_replica(strategy: tf.distribute.Strategy, batch: int, accumulate: int = 1) -> int:
    """Examples of a global batch that each replica gets.

    Args:
        strategy: Of `make`.
        batch: Global batch size.
        accumulate: Micro-batches that each replica's part is computed in.

    Returns:
        `batch / replicas`.

    Raises:
        UsageError: `batch` is not a multiple of replicas times accumulate; the message has the nearest batches that are.
    """
    unit = strategy.num_replicas_in_sync * accumulate
    if batch % unit:
        lower, upper = batch // unit * unit, (batch // unit + 1) * unit
        choice = f"{lower} or {upper}" if lower else f"{upper}"
        raise UsageError(
            f"data.batch: {batch} can't be shared by {strategy.num_replicas_in_sync} replica(s) x optim.accumulate={accumulate}; "
            f"a multiple of {unit} is accepted; use data.batch={choice}"
        )
    return batch // strategy.num_replicas_in_sync


def distribute(strategy: tf.distribute.Strategy, make: Callable[[tf.distribute.InputContext], tf.data.Dataset]) -> Any:
    """The batches of a data set for the replicas of a strategy.

    Args:
        strategy: Of `make`.
        make: The per-replica batches of one input pipeline.

    Returns:
        What gives `strategy.run` its arguments, one global step after the other.
    """
    if strategy.num_replicas_in_sync == 1:  # nothing to distribute: spare the threads and buffers of it
        return make(tf.distribute.InputContext())
    return strategy.distribute_datasets_from_function(make)


def gathered(strategy: tf.distribute.Strategy, values: Any) -> tf.Tensor:
    """The rows `[B, ...]` of all replicas, one below the other; of `[b, ...]` in each. Of texts only those of this worker: collectives take none."""
    local = strategy.experimental_local_results(values)
    dtype = local[0].dtype
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or dtype == tf.string:
        return tf.concat(local, axis=0)
    if dtype in _GATHERED:
        return strategy.gather(values, axis=0)
    whole = strategy.run(lambda value: tf.cast(value, tf.int32), (values,))
    return tf.cast(strategy.gather(whole, axis=0), dtype)


_GATHERED = (tf.float16, tf.float32, tf.float64, tf.int32, tf.int64)
"""What collectives take; others, truth values and small whole numbers, go as int32."""
