"""Which processes train together, and which of them this one is: from the command line, TF_CONFIG or SLURM. No TensorFlow here.

Every worker is given the same list of addresses in the same order, and its own place in it. The first is the chief.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TF_CONFIG = "TF_CONFIG"
ACCEPTED = "auto (TF_CONFIG if it is set, else this process alone), none, tf_config, slurm, or HOST:PORT,HOST:PORT with --worker I"
_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[^\s:,\[\]]+):(\d{1,5})")
_SLURM_PORT, _SLURM_JOBS, _SLURM_PLACES = 10_000, 1_000, 16
"""Jobs that share a node get ports of their own, below those that the kernel hands out."""


@dataclass(frozen=True)
class Cluster:
    """The workers of one training.

    Attributes:
        workers: Their addresses, `host:port`, the chief's first.
        index: Which of them this process is.
    """

    workers: tuple[str, ...]
    index: int

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.index == 0


def find(workers: str, worker: int | None, environment: Mapping[str, str]) -> Cluster | None:
    """The cluster that the command line or the environment names.

    Args:
        workers: As `--workers`: `auto`, `none`, `tf_config`, `slurm`, or addresses parted by commas.
        worker: As `--worker`: this process's place among the addresses; they alone need it.
        environment: The variables of this process.

    Returns:
        The cluster; none: this process trains alone.

    Raises:
        UsageError: If what is named can't be understood, or does not say which worker this is.
    """
    if worker is not None and not _is_list(workers):
        raise UsageError(f"--worker {worker}: --workers {workers} has no addresses to count in; give --workers HOST:PORT,HOST:PORT, or leave it out")
    if workers == "none" or (workers == "auto" and not environment.get(TF_CONFIG)):
        return None
    if workers in ("auto", "tf_config"):
        return _alone_or(_of_tf_config(environment.get(TF_CONFIG, "")))
    if workers == "slurm":
        return _alone_or(_of_slurm(environment))
    if not _is_list(workers):
        raise UsageError(f"--workers {workers}: accepted are {ACCEPTED}")
    if worker is None:
        raise UsageError(f"--workers {workers}: which of them is this process? give --worker 0 to the first, --worker 1 to the next, and so on")
    return _alone_or(_checked(workers.split(","), worker, f"--workers {workers}"))


def _is_list(workers: str) -> bool:
    return ":" in workers


def _alone_or(cluster: Cluster) -> Cluster | None:
    """A cluster of one worker is none."""
    return cluster if len(cluster.workers) > 1 else None


def _checked(workers: list[str], index: int, origin: str) -> Cluster:
    """The cluster, its addresses looked at."""
    for address in workers:
        found = _ADDRESS.fullmatch(address)
        if found is None or not 0 < int(found[1]) < 2**16:
            raise UsageError(f"{origin}: {address!r} is no address; HOST:PORT is accepted, with a port from 1 to 65535")
    twice = next((address for number, address in enumerate(workers) if address in workers[:number]), None)
    if twice is not None:
        raise UsageError(f"{origin}: {twice} is named twice; give each worker a host or a port of its own")
    if not 0 <= index < len(workers):
        raise UsageError(f"{origin}: there is no worker {index} among {len(workers)}; 0 to {len(workers) - 1} are accepted")
    return Cluster(tuple(workers), index)


def _of_tf_config(text: str) -> Cluster:
    """The cluster that TF_CONFIG names: its chief, if there is one, and its workers."""
    expected = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
    try:
        config = json.loads(text or "null")
        jobs, task = config["cluster"], config["task"]
        kind, index = task["type"], int(task["index"])
        chiefs, workers = list(jobs.get("chief", ())), list(jobs.get("worker", ()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{TF_CONFIG}={text!r} can't be understood ({type(error).__name__}: {error}); it should be like {expected}") from error
    others = sorted(set(jobs) - {"chief", "worker"})
    if others or kind not in ("chief", "worker"):
        what = others[0] if others else kind
        raise UsageError(f"{TF_CONFIG}: the job {what!r} is not for kvision; chief and worker are accepted: no parameter servers, no evaluators")
    return _checked([*chiefs, *workers], index + (len(chiefs) if kind == "worker" else 0), TF_CONFIG)


def _of_slurm(environment: Mapping[str, str]) -> Cluster:
    """The cluster of a job step: one worker a task, in the order of the tasks' numbers (`srun --distribution=block`, SLURM's own default).

    `tf.distribute.cluster_resolver.SlurmClusterResolver` sorts the hosts by name, where SLURM goes by number (node9, node10), and
    needs nvidia-smi; the lists themselves are read by its functions.
    """
    from tensorflow.python.distribute.cluster_resolver import slurm_cluster_resolver as slurm

    def value(name: str, read: Callable[[str], Any]) -> Any:
        try:
            return read(environment[f"SLURM_{name}"])
        except KeyError:
            raise UsageError(f"--workers slurm: SLURM_{name} is not set; start the workers by srun, one a task") from None
        except ValueError as error:
            raise UsageError(f"--workers slurm: SLURM_{name}={environment[f'SLURM_{name}']} can't be understood: {error}") from error

    hosts, counts = value("STEP_NODELIST", slurm.expand_hostlist), value("STEP_TASKS_PER_NODE", slurm.expand_tasks_per_node)
    port = _SLURM_PORT + value("JOB_ID", int) % _SLURM_JOBS * _SLURM_PLACES
    workers = [f"{host}:{port + place}" for host, count in zip(hosts, counts, strict=False) for place in range(count)]
    return _checked(workers, value("PROCID", int), "--workers slurm")
