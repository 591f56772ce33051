"""Who trains together: from the command line, TF_CONFIG and SLURM."""

from __future__ import annotations

import json

import pytest

from kvision.core.errors import UsageError
from kvision.engine.cluster import Cluster, find

TWO = ("a:1", "b:2")
SLURM = {
    "SLURM_JOB_ID": "4007",
    "SLURM_PROCID": "2",
    "SLURM_STEP_NODELIST": "gpu[9-10],login1",
    "SLURM_STEP_TASKS_PER_NODE": "2,1(x2)",
    "SLURM_NTASKS": "4",
}


def tf_config(kind: str = "worker", index: int = 0, **jobs: list[str]) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})}


def test_a_process_trains_alone_unless_it_is_told_otherwise() -> None:
    assert find("auto", None, {}) is None
    assert find("auto", None, SLURM) is None  # an interactive shell of a job would wait for others that nobody starts
    assert find("none", None, tf_config(worker=[*TWO])) is None
    assert find("auto", None, tf_config(worker=["a:1"])) is None
    assert find("a:1", 0, {}) is None


def test_the_command_line() -> None:
    assert find("a:1,b:2", 0, {}) == Cluster(TWO, 0)
    assert find("a:1,[::1]:2", 1, tf_config(worker=["x:1", "y:1"])) == Cluster(("a:1", "[::1]:2"), 1)


@pytest.mark.parametrize("workers", ["auto", "tf_config"])
def test_tf_config_whose_chief_comes_first(workers: str) -> None:
    assert find(workers, None, tf_config(worker=[*TWO], index=1)) == Cluster(TWO, 1)
    assert find(workers, None, tf_config(chief=["c:7"], worker=[*TWO], index=1)) == Cluster(("c:7", *TWO), 2)
    found = find(workers, None, tf_config("chief", chief=["c:7"], worker=[*TWO]))
    assert found == Cluster(("c:7", *TWO), 0)
    assert found.chief


def test_slurm_counts_tasks_in_the_order_of_the_nodes_by_number() -> None:
    # Job 4007 of a node's thousand has ports from 10000 + 7 * 16 on.
    assert find("slurm", None, SLURM) == Cluster(("gpu9:10112", "gpu9:10113", "gpu10:10112", "login1:10112"), 2)
    assert find("slurm", None, {**SLURM, "SLURM_STEP_NODELIST": "n7", "SLURM_STEP_TASKS_PER_NODE": "1", "SLURM_PROCID": "0"}) is None


@pytest.mark.parametrize(
    ("workers", "worker", "environment", "message"),
    [
        ("both", None, {}, r"--workers both: accepted are auto .*, none, tf_config, slurm, or HOST:PORT,HOST:PORT with --worker I"),
        ("auto", 1, {}, r"--worker 1: --workers auto has no addresses to count in; give --workers HOST:PORT,HOST:PORT"),
        ("a:1,b:2", None, {}, r"which of them is this process\? give --worker 0 to the first"),
        ("a:1,b:2", 2, {}, r"no worker 2 among 2; 0 to 1 are accepted"),
        ("a:1,a:1", 0, {}, r"a:1 is named twice"),
        ("a:1,b:99999", 0, {}, r"'b:99999' is no address; HOST:PORT"),
        ("a:1,b", 0, {}, r"'b' is no address"),
        ("tf_config", None, {}, r"TF_CONFIG='' can't be understood .*; it should be like \{\"cluster\""),
        ("auto", None, {"TF_CONFIG": "{"}, r"TF_CONFIG='\{' can't be understood \(JSONDecodeError"),
        ("auto", None, tf_config(worker=["a:1"], ps=["b:1"]), r"the job 'ps' is not for kvision; .* no parameter servers"),
        ("auto", None, tf_config("evaluator", worker=["a:1", "b:1"]), r"the job 'evaluator' is not for kvision"),
        ("slurm", None, {}, r"SLURM_STEP_NODELIST is not set; start the workers by srun, one a task"),
        ("slurm", None, {**SLURM, "SLURM_STEP_NODELIST": "n[1"}, r"SLURM_STEP_NODELIST=n\[1 can't be understood"),
        ("slurm", None, {**SLURM, "SLURM_PROCID": "4"}, r"there is no worker 4 among 4"),
    ],
)
def test_faults_say_what_is_accepted(workers: str, worker: int | None, environment: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find(workers, worker, environment)
