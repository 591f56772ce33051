"""`tf.distribute.MultiWorkerMirroredStrategy` on the devices that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf
from tensorflow.python.distribute.collective_all_reduce_strategy import CollectiveAllReduceExtended
from tensorflow.python.eager import context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.engine.cluster import Cluster

HEARTBEAT_S = 20
"""A worker that has not been heard of for so long counts as lost. TensorFlow's own 10 s are less than a busy machine may take."""


class MultiWorker(tf.distribute.MultiWorkerMirroredStrategy):
    """One copy of the variables on each device of each worker, gradients summed in a ring (CPU) or by NCCL (GPU).

    It waits until all workers have come.

    Args:
        names: This worker's devices, such as `cpu:0`; every worker must have as many.
        cluster: The workers.
    """

    def __init__(self, names: Sequence[str], cluster: Cluster) -> None:
        options = tf.distribute.experimental.CommunicationOptions
        kinds = tf.distribute.experimental.CommunicationImplementation
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": list(cluster.workers)}), task_type="worker", task_id=cluster.index, rpc_layer="grpc"
        )
        how = kinds.RING if names[0].startswith("cpu") else kinds.NCCL
        _watch(cluster)
        tf.distribute.Strategy.__init__(self, _Extended(self, resolver, options(implementation=how), names))


class _Extended(CollectiveAllReduceExtended):
    """TensorFlow's own takes all GPUs of a worker, or one CPU; this one takes those that are named."""

    def __init__(self, strategy: tf.distribute.Strategy, resolver: Any, options: Any, names: Sequence[str]) -> None:
        self._names = [name.upper() for name in names]
        super().__init__(strategy, cluster_resolver=resolver, communication_options=options)

    def _initialize_local_devices(self, cluster_resolver: Any, worker_device: str) -> tuple[tuple[str, ...], str]:
        del cluster_resolver
        return tuple(f"{worker_device}/device:{name}" for name in self._names), self._names[0].partition(":")[0]


def _watch(cluster: Cluster) -> None:
    """Has TensorFlow's coordination service, which the chief runs, tell all workers when one of them is no longer heard of."""
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2 as protocol

    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/task:0",
        heartbeat_timeout_in_ms=HEARTBEAT_S * 1000,
        coordinated_jobs=[protocol.CoordinatedJob(name="worker", num_tasks=len(cluster.workers))],
    )
