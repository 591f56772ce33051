"""Examples to look at: what Keras says of each, and what an exported file says."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tensorflow as tf

from kvision_export.parity import standin
from kvision_export.parity.runner import open_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from kvision.engine.system import System
    from kvision_export.subject import Subject

_BYTES = 150_000


@dataclass(frozen=True)
class Pair:
    """One example, drawn once for each that was asked.

    Attributes:
        name: Of the example.
        sources: Data URIs by who made the prediction.
    """

    name: str
    sources: Mapping[str, str]


def draw(subject: Subject, files: Mapping[str, Path], numbers: Sequence[int]) -> list[Pair]:
    """Draws validation examples as predicted by Keras and by files.

    Args:
        subject: What was exported.
        files: Exported files by the name to show.
        numbers: Of the examples.

    Returns:
        One pair an example; `Keras` comes first.
    """
    systems = {"Keras": subject.system}
    for name, path in files.items():
        systems[name] = standin.system_on(subject.system, standin.calls_of(open_file(path), subject.system, str(path)))
    graphs = {name: tf.function(system.predict_step) for name, system in systems.items()}
    found = []
    for number in numbers:
        raw = subject.session.pipeline.raw("val", number)
        shown = subject.examples("val", [number])
        example = tf.constant(subject.given(shown))
        truth = {name: value for name, value in raw.items() if name != subject.field}
        sources = {}
        for name, graph in graphs.items():
            output = {key: value[0].numpy() for key, value in graph(example).items()}
            sources[name] = _uri(systems[name], shown[0], output, truth)
        found.append(Pair(subject.session.pipeline.name("val", number), sources))
    return found


def _uri(system: System, example: np.ndarray, output: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> str:
    """A prediction drawn by the system, as a data URI; a large one as a JPEG."""
    picture = system.picture(example, output, truth)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    kind = "png"
    if buffer.tell() > _BYTES:
        buffer, kind = io.BytesIO(), "jpeg"
        picture.convert("RGB").save(buffer, "JPEG", quality=85)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
