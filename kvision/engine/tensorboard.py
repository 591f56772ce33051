"""The examples of a run's evaluation for TensorBoard, beside the journal's curves: pictures, and what the network says in words."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kvision.core.disk import writing
from kvision.engine.journal import SUMMARY, TENSORBOARD

if TYPE_CHECKING:
    from pathlib import Path


def write(run_dir: Path) -> None:
    """Writes the pictures and words of evaluation.json, by kind, at the step that the run has reached.

    Args:
        run_dir: A run folder with evaluation.json and summary.json.

    Raises:
        RunError: If it can't be written.
    """
    import tensorflow as tf

    found = json.loads((run_dir / "evaluation.json").read_text("utf-8"))
    step = json.loads((run_dir / SUMMARY).read_text("utf-8"))["steps"]
    with writing(run_dir, TENSORBOARD), tf.summary.create_file_writer(str(run_dir / TENSORBOARD)).as_default(step=step):
        for kind, examples in itertools.groupby(found["examples"], key=lambda example: example["kind"]):
            _write(kind, run_dir, list(examples))


def _write(kind: str, run_dir: Path, examples: list[dict[str, Any]]) -> None:
    """Those of one kind."""
    import tensorflow as tf

    for place, example in enumerate(examples, start=1):
        picture = np.asarray(Image.open(run_dir / example["picture"]).convert("RGB"))
        tf.summary.image(f"{kind}/{place}", picture[None])
    said = [f"- {example['name']}: {example['words']}" for example in examples if "words" in example]
    if said:
        tf.summary.text(kind, "\n".join(said))  # TensorBoard reads Markdown
