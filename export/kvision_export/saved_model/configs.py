"""Files to serve a folder of models with: TF Serving's configurations, a docker-compose file and a page of curl lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
from PIL import Image

from kvision.core import disk
from kvision.data import encoded
from kvision.engine import dense
from kvision_export.saved_model import warmup
from kvision_export.saved_model.pictures import sees_whole
from kvision_export.serving.server.config import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kvision_export.subject import Subject

MODELS = "models.config"
BATCHING = "batching_params.pbtxt"
MONITORING = "monitoring.config"
COMPOSE = "docker-compose.yaml"
README = "README.md"
EXAMPLE = "example.png"

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("kvision_export.saved_model"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 - none of these is HTML
)


def write(parent: Path, subject: Subject, models: Iterable[str], answers: Iterable[str]) -> None:
    """Writes what is missing, so that the user's own versions stay; only `models.config` is made anew.

    Args:
        parent: The folder of models.
        subject: The model that the page speaks of.
        models: Names of all models in the folder.
        answers: Names of the outputs of `serving_default`.
    """
    facts = {
        "name": subject.name,
        "models": sorted(models),
        "most": max(warmup.BATCHES),
        "metrics": METRICS,
        "takes_pictures": subject.takes_pictures,
        "most_px": encoded.MOST_PX,
        "whole_px": dense.WHOLE_PX if subject.takes_pictures and sees_whole(subject.system, subject.preprocess) else None,
        "example": EXAMPLE,
        "answers": sorted(answers),
        "inputs": next(iter(subject.networks().values())).inputs,
    }
    disk.replace(parent / MODELS, _text(MODELS, facts))
    for file in (BATCHING, MONITORING, COMPOSE, README):
        if not (parent / file).exists():
            disk.replace(parent / file, _text(file, facts))
    if subject.takes_pictures and not (parent / EXAMPLE).exists():
        Image.fromarray(subject.examples("val", [0])[0]).save(parent / EXAMPLE)


def _text(file: str, facts: dict[str, Any]) -> bytes:
    return _TEMPLATES.get_template(f"{file}.j2").render(facts).encode()
