"""What many accelerators make of one: the time of a step, failures and checkpoints, data. Formulas of docs/scaling.md by number; no TensorFlow here.

n accelerators stand in nodes of g. Sizes are in bytes, times in seconds, bandwidths in bytes a second.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BACKWARD_SHARE = 2 / 3
"""Of a step's computation, the part in which gradients come into being: a backward pass is twice a forward pass."""

STATISTICS_BYTES = 8
"""Of a channel of a synchronised batch normalisation: mean and variance, float32, and as much of their gradients."""


@dataclass(frozen=True)
class Cluster:
    """Machines that a training is planned for; the defaults are eight accelerators a node with 400 Gbit/s between nodes.

    Attributes:
        speed: How many times as fast as the one measured an accelerator is.
        per_node: Accelerators in a node.
        inner_bandwidth: Of an accelerator within its node, each way.
        link_bandwidth: Of a node to the others, each way.
        inner_latency_s: Of a message within a node.
        link_latency_s: Of a message between nodes.
        overlap: Share of the backward pass behind which communication hides; 0: gradients are summed when it is over.
        jitter: Standard deviation of an accelerator's step time, as a share of it.
        mtbf_s: Mean time between failures of one accelerator with its share of all else. Llama 3 (arXiv 2407.21783, table 5) had 419 in 54 days of
            16,384: 50,700 hours.
        restart_s: From a failure until training goes on.
        write_bandwidth: At which a checkpoint is written.
        image_bytes: Of a stored picture; ImageNet's have 115 kB.
        shard_bytes: Of a file of pictures.
    """

    speed: float = 1.0
    per_node: int = 8
    inner_bandwidth: float = 300e9
    link_bandwidth: float = 50e9
    inner_latency_s: float = 3e-6
    link_latency_s: float = 10e-6
    overlap: float = 0.0
    jitter: float = 0.02
    mtbf_s: float = 50_700 * 3600.0
    restart_s: float = 300.0
    write_bandwidth: float = 1e9
    image_bytes: float = 115e3
    shard_bytes: float = 150e6


def ring(num: int, size: float, bandwidth: float, latency_s: float) -> float:
    """Time of a sum over the members of a ring: n - 1 messages to scatter the sums, n - 1 to gather them, each of an n-th of the bytes.

    Args:
        num: Members.
        size: Of what is summed, bytes.
        bandwidth: Of a member to the next one.
        latency_s: Of a message.

    Returns:
        Seconds; 0 for one member.

    References:
        (1): Patarasuk and Yuan 2009, Bandwidth optimal all-reduce algorithms for clusters of workstations, section 4.
    """
    return 2 * (num - 1) * (latency_s + size / (num * bandwidth))


def all_reduce(num: int, size: float, cluster: Cluster) -> float:
    """Time of a sum over n accelerators: a ring within each node, and between nodes as many rings at once as a node has accelerators.

    Args:
        num: Accelerators; beyond one node, full nodes.
        size: Of the gradients, bytes.
        cluster: Bandwidths and latencies.

    Returns:
        Seconds.

    References:
        (2): Jia et al. 2018, arXiv 1807.11205, section 3.3. The rings between nodes sum a g-th each and share the node's link, so that together they
        take as long as one ring of nodes that sums all.
    """
    nodes = math.ceil(num / cluster.per_node)
    inner = ring(min(num, cluster.per_node), size, cluster.inner_bandwidth, cluster.inner_latency_s)
    return inner + ring(nodes, size, cluster.link_bandwidth, cluster.link_latency_s)


def normalisation(num: int, channels: Sequence[int], cluster: Cluster) -> float:
    """Time of the sums of synchronised batch normalisations, which nothing hides: the next operation waits for each.

    Args:
        num: Accelerators.
        channels: Of each normalisation.
        cluster: Bandwidths and latencies.

    Returns:
        Seconds; two sums for each: the statistics of every accelerator forward, and their gradients backward.

    References:
        (10): from (2), with as many rows of `kvision.layers.normalization` as there are accelerators.
    """
    return sum(2 * all_reduce(num, STATISTICS_BYTES * num * each, cluster) for each in channels)


def slowest(num: int, jitter: float) -> float:
    """How many times its mean the longest of n equally distributed times lasts, for normal ones.

    Args:
        num: How many are waited for.
        jitter: Standard deviation as a share of the mean.

    Returns:
        At least 1.

    References:
        (3): Blom 1958, Statistical Estimates and Transformed Beta-Variables: the expected largest of n is near the quantile (n - 3/8) / (n + 1/4).
    """
    return 1.0 + jitter * statistics.NormalDist().inv_cdf((num - 0.375) / (num + 0.25)) if num > 1 else 1.0


def step(num: int, compute_s: float, size: float, cluster: Cluster, channels: Sequence[int] = ()) -> float:
    """Time of a step of n accelerators, each on its own examples: the slowest one's computation, and communication as far as it does not hide.

    Args:
        num: Accelerators.
        compute_s: Of one accelerator alone.
        size: Of the gradients, bytes.
        cluster: What it runs on.
        channels: Of each synchronised batch normalisation.

    Returns:
        Seconds.

    References:
        (4): Li et al. 2020, PyTorch Distributed, arXiv 2006.15704, section 3.2.3, for the part that hides.
    """
    hidden = cluster.overlap * BACKWARD_SHARE * compute_s
    waiting_s = max(0.0, all_reduce(num, size, cluster) - hidden) + normalisation(num, channels, cluster)
    return compute_s * slowest(num, cluster.jitter) + waiting_s


def efficiency(num: int, compute_s: float, size: float, cluster: Cluster, channels: Sequence[int] = ()) -> float:
    """What n accelerators do, as a share of n times what one does; (5)."""
    return compute_s / step(num, compute_s, size, cluster, channels)


def young(write_s: float, mtbf_s: float) -> float:
    """The best time of work between checkpoints, to first order.

    Args:
        write_s: Time that a checkpoint takes.
        mtbf_s: Mean time between failures of the whole.

    Returns:
        Seconds.

    References:
        (6): Young 1974, A first order approximation to the optimum checkpoint interval, Communications of the ACM 17(9).
    """
    return math.sqrt(2 * write_s * mtbf_s)


def daly(write_s: float, mtbf_s: float) -> float:
    """The best time of work between checkpoints, to higher order.

    Args:
        write_s: As for `young`.
        mtbf_s: Likewise.

    Returns:
        Seconds; the mean time between failures where writing takes more than twice as long as that.

    References:
        (7): Daly 2006, A higher order estimate of the optimum checkpoint interval for restart dumps, Future Generation Computer Systems 22, eq. 37.
    """
    if write_s >= 2 * mtbf_s:
        return mtbf_s
    ratio = write_s / (2 * mtbf_s)
    return young(write_s, mtbf_s) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - write_s


def goodput(interval_s: float, write_s: float, restart_s: float, mtbf_s: float) -> float:
    """Share of the time that is work which lasts, with failures at random.

    Args:
        interval_s: Work between checkpoints.
        write_s: Time that a checkpoint takes.
        restart_s: From a failure until work goes on.
        mtbf_s: Mean time between failures of the whole.

    Returns:
        0 to 1.

    References:
        (8): Daly 2006, eq. 20.
    """
    lost = (interval_s + write_s) / mtbf_s
    return interval_s / mtbf_s * math.exp(-restart_s / mtbf_s - lost) / -math.expm1(-lost)  # as in the paper, with no power that overflows


def origins(batch: int, files: float) -> float:
    """From how many files a batch comes on average, if each example is as likely from each.

    Args:
        batch: Examples.
        files: Among which they are drawn: all of them by the index, or those that are read side by side.

    Returns:
        At most `batch`.

    References:
        (9): the expected number of occupied cells, Feller 1968, An Introduction to Probability Theory, volume 1, section IX.3.
    """
    return files * -math.expm1(batch * math.log1p(-1 / files)) if files > 1 else 1.0
