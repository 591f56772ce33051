"""Job files: SLURM and Kubernetes start the workers, each of which finds the others by itself."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import jinja2

from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

PORT = 2222
GRACE_S = 120
"""What a training is given to save before its time is over."""


def slurm(name: str, train: Sequence[str], *, workers: int, gpus: int) -> str:
    """A file for `sbatch`: one worker a node; a training that runs out of time saves, and is queued again.

    Args:
        name: Of the job.
        train: Words after `kvision train`, without `--workers`.
        workers: How many nodes.
        gpus: Of each node; 0: it trains on the CPU.

    Returns:
        The file's text.
    """
    return _rendered("slurm.sh.j2", name=name, command=_command(train, "slurm"), workers=workers, gpus=gpus)


def kubernetes(name: str, train: Sequence[str], *, workers: int, gpus: int, image: str) -> str:
    """A file for `kubectl apply`: a Service for the pods' names, and an Indexed Job of one pod a worker, which builds TF_CONFIG from its index.

    Args:
        name: Of the job, the service and the volume claim.
        train: Words after `kvision train`, without `--workers`.
        workers: How many pods.
        gpus: Of each pod; 0: it trains on the CPU.
        image: The container's image, which has kvision installed.

    Returns:
        The file's text.
    """
    hosts = [f"{name}-{index}.{name}:{PORT}" for index in range(workers)]
    command = _command(train, "tf_config")
    return _rendered("kubernetes.yaml.j2", name=name, command=command, workers=workers, gpus=gpus, image=image, hosts=hosts, port=PORT)


def job_name(recipe: str) -> str:
    """A name that both take, of a recipe's: small letters, digits and dashes.

    Args:
        recipe: A file, or the name of a shipped one.

    Returns:
        Such as `kvision-unet`, of 50 letters at most.

    Raises:
        UsageError: If nothing of it can be used.
    """
    stem = recipe.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml")
    name = re.sub("[^a-z0-9]+", "-", stem.lower()).strip("-")
    if not name:
        raise UsageError(f"{recipe}: no letter of its name can stand in a job's name; give the recipe a name with letters or digits")
    return f"kvision-{name}"[:50].rstrip("-")


def _command(train: Sequence[str], workers: str) -> str:
    resume = [] if "--resume" in train else ["--resume"]
    return shlex.join(["kvision", "train", *train, "--workers", workers, *resume])


def _rendered(template: str, **values: object) -> str:
    templates = jinja2.Environment(  # noqa: S701 - shell and YAML, no HTML
        loader=jinja2.PackageLoader("kvision.launch"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return templates.get_template(template).render(grace_s=GRACE_S, **values)
