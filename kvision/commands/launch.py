"""`kvision launch`: one training by several workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kvision.core import disk
from kvision.core.errors import UsageError
from kvision.launch import job_files, local

if TYPE_CHECKING:
    from collections.abc import Sequence

Scheduler = Literal["slurm", "kubernetes"]


def here(train: Sequence[str], workers: int) -> int:
    """Trains by processes of this machine.

    Args:
        train: Words after `kvision train`.
        workers: How many.

    Returns:
        The exit code.
    """
    code = local.run([sys.executable, "-m", "kvision", "train", *train], workers)
    if code not in (0, 2, 3):
        print(f"go on with: {local.command_line(train, workers)}", file=sys.stderr)
    return code


def write(recipe: str, train: Sequence[str], scheduler: Scheduler, *, workers: int, gpus: int, image: str | None, out: str | None) -> None:
    """Writes a job file.

    Args:
        recipe: The recipe, after which the job is named.
        train: Words after `kvision train`.
        scheduler: For whom.
        workers: How many.
        gpus: Of each.
        image: The container's image, for Kubernetes.
        out: The file; none: the standard output.

    Raises:
        UsageError: Kubernetes is not told the image.
        RunError: If the file can't be written.
    """
    name = job_files.job_name(recipe)
    if scheduler == "slurm":
        text = job_files.slurm(name, train, workers=workers, gpus=gpus)
    elif image is None:
        raise UsageError("--kubernetes: the pods need an image that has kvision installed; name it by --image REGISTRY/NAME:TAG")
    else:
        text = job_files.kubernetes(name, train, workers=workers, gpus=gpus, image=image)
    if out is None:
        print(text, end="")
        return
    with disk.writing(Path(out), "the job file", "--out"):
        Path(out).write_text(text, "utf-8")
    print(f"{out}: submit it by {'sbatch' if scheduler == 'slurm' else 'kubectl apply -f'} {out}", file=sys.stderr)
