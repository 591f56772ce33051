"""Job files, read as those read them who run them: bash, and YAML's parser."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from kvision.core.errors import UsageError
from kvision.engine import cluster
from kvision.launch import job_files

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = ["recipes/unet.yaml", "model.filters=[8, 16]", "--run-dir", "my runs/a"]
STUB = """#!/bin/bash
printf '%s\\n' "$@" > {folder}/words
printf '%s' "${{TF_CONFIG-}}" > {folder}/tf_config
exit {code}
"""


def stand_in(folder: Path, program: str, code: int = 0) -> dict[str, str]:
    """A program that notes what it is given; the environment in which it is found first."""
    (folder / program).write_text(STUB.format(folder=folder, code=code))
    (folder / program).chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_slurm_runs_one_task_a_node_and_goes_on_after_its_time_is_over(tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.write_text(job_files.slurm("kvision-unet", TRAIN, workers=8, gpus=4))
    assert subprocess.run(["bash", "-n", str(job)], check=False).returncode == 0
    options = [line.removeprefix("#SBATCH ") for line in job.read_text().splitlines() if line.startswith("#SBATCH ")]
    assert {"--nodes=8", "--ntasks-per-node=1", "--gpus-per-node=4", "--signal=TERM@120", "--requeue"} < set(options)

    (tmp_path / "queue").mkdir()
    environment = stand_in(tmp_path, "srun", code=143) | {"SLURM_JOB_ID": "17"}
    queue = stand_in(tmp_path / "queue", "scontrol")["PATH"].partition(":")[0]
    done = subprocess.run(["bash", str(job)], env=environment | {"PATH": f"{queue}:{environment['PATH']}"}, check=False)
    assert done.returncode == 143
    assert (tmp_path / "queue/words").read_text().split() == ["requeue", "17"]
    words = (tmp_path / "words").read_text().splitlines()
    assert words[words.index("kvision") :] == ["kvision", "train", *TRAIN, "--workers", "slurm", "--resume"]
    assert "--kill-on-bad-exit=1" in words

    stand_in(tmp_path, "srun", code=1)
    (tmp_path / "queue/words").unlink()
    assert subprocess.run(["bash", str(job)], env=environment | {"PATH": f"{queue}:{environment['PATH']}"}, check=False).returncode == 1
    assert not (tmp_path / "queue/words").exists(), "a fault would come again"
    assert "gpus" not in job_files.slurm("kvision-unet", TRAIN, workers=8, gpus=0)


def pods(**options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    text = job_files.kubernetes("kvision-unet", TRAIN, **{"workers": 3, "gpus": 2, "image": "registry/kvision:1"} | options)
    service, job = YAML(typ="safe").load_all(text)
    return service, job


def test_kubernetes_has_an_indexed_job_whose_pods_have_the_names_of_the_service() -> None:
    service, job = pods()
    spec, template = job["spec"], job["spec"]["template"]["spec"]
    assert (job["kind"], spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Job", "Indexed", 3, 3)
    assert (service["kind"], service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("Service", "None", True)
    assert service["metadata"]["name"] == template["subdomain"] == job["metadata"]["name"] == service["spec"]["selector"]["job-name"]
    assert (template["restartPolicy"], template["terminationGracePeriodSeconds"]) == ("Never", 120)
    (container,) = template["containers"]
    assert container["image"] == "registry/kvision:1"
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 2}
    assert "resources" not in pods(gpus=0)[1]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_a_pod_builds_tf_config_from_its_completion_index(tmp_path: Path) -> None:
    (container,) = pods()[1]["spec"]["template"]["spec"]["containers"]
    environment = stand_in(tmp_path, "kvision") | {"JOB_COMPLETION_INDEX": "2"}
    subprocess.run([*container["command"], *container["args"]], env=environment, check=True)
    assert (tmp_path / "words").read_text().splitlines() == ["train", *TRAIN, "--workers", "tf_config", "--resume"]
    text = (tmp_path / "tf_config").read_text()
    assert json.loads(text)["task"] == {"type": "worker", "index": 2}
    hosts = tuple(f"kvision-unet-{number}.kvision-unet:2222" for number in range(3))
    assert cluster.find("tf_config", None, {"TF_CONFIG": text}) == cluster.Cluster(hosts, 2)


def test_jobs_are_named_after_the_recipe() -> None:
    assert job_files.job_name("recipes/My_U-Net.v2.yaml") == "kvision-my-u-net-v2"
    assert len(job_files.job_name("x" * 99)) == 50
    with pytest.raises(UsageError, match=r"recipes/__.yaml: no letter of its name"):
        job_files.job_name("recipes/__.yaml")


def test_a_resumption_is_not_asked_for_twice() -> None:
    assert job_files.slurm("a", ["unet", "--resume"], workers=2, gpus=0).count("--resume") == 1
