"""From a network's outputs to answers: one file a task, chosen by the manifest's `task`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from kvision_edge.errors import BundleError

if TYPE_CHECKING:
    from kvision_edge.manifest import Manifest, Signature
    from kvision_edge.postprocess.decoder import Decoder

TASKS = ("segmentation", "classification", "detection", "captioning", "sequence", "policy")
"""Each has a module of its name with a class `Decode`."""


def choose(manifest: Manifest, signatures: dict[str, Signature]) -> Decoder:
    """The decoder of a bundle's task.

    Args:
        manifest: The bundle's manifest.
        signatures: The functions of the file that is run.

    Returns:
        The decoder, its settings read.

    Raises:
        BundleError: If this runtime does not know the task, or the settings do not fit the file.
    """
    if manifest.task not in TASKS:
        raise BundleError(f"task {manifest.task!r}: this runtime knows {', '.join(TASKS)}; install the newer kvision-edge")
    decoder: Decoder = importlib.import_module(f"kvision_edge.postprocess.{manifest.task}").Decode(manifest, signatures)
    return decoder
