"""How each format is made: the TensorFlow converter or litert-quantizer. Runs in the child process only.

Which of the two makes a format was decided by measurement: see `MADE_BY`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from pathlib import Path

Samples = Mapping[str, Mapping[str, np.ndarray]]
"""Calibration inputs `[N, ...]` by signature and input."""

TENSORFLOW = "TensorFlow converter"
QUANTIZER = "litert-quantizer"


class UnsupportedOps(Exception):
    """The network has ops that LiteRT does not have."""

    def __init__(self, ops: list[str]) -> None:
        super().__init__(", ".join(ops))
        self.ops = ops


@dataclass(frozen=True)
class Task:
    """One file to make.

    Attributes:
        format: Name of the format, as in `--to`.
        out: The file to write.
        runtime: `2.14`, `2.17` or `litert2`.
        allow_flex: Whether TensorFlow's own ops may stand in the file.
        keep_float: Names of output tensors of ops that are not to be quantized.
        batch: Size of the first dimension; none: any.
    """

    format: str
    out: str
    runtime: str = "litert2"
    allow_flex: bool = False
    keep_float: tuple[str, ...] = ()
    batch: int | None = 1


@dataclass
class Made:
    """A converted file.

    Attributes:
        content: The flatbuffer.
        by: Which converter made it.
        notes: What a person should know of it.
    """

    content: bytes
    by: str
    notes: list[str] = field(default_factory=list)


def make(task: Task, saved_model: Path, samples: Samples) -> Made:
    """Makes one file.

    Args:
        task: What to make.
        saved_model: The frozen networks.
        samples: Calibration inputs; empty for formats that need none.

    Returns:
        The file's content.

    Raises:
        UnsupportedOps: If the network needs an op that LiteRT does not have.
    """
    try:
        if task.format == "tflite-int4":
            return _int4(task, saved_model)
        return Made(bytes(_converter(task, saved_model, samples).convert()), TENSORFLOW)
    except Exception as error:
        missing = _missing(str(error))
        if missing:
            raise UnsupportedOps(missing) from error
        raise


def _converter(task: Task, saved_model: Path, samples: Samples) -> Any:
    """The TensorFlow converter, set for a format."""
    ops, kind = tf.lite.OpsSet, task.format
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    supported = [ops.TFLITE_BUILTINS]
    if kind not in ("tflite-fp32", "tflite-int4"):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "tflite-fp16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "tflite-dynamic":
        converter._experimental_disable_per_channel_quantization_for_dense_layers = task.runtime == "2.14"
    if kind in ("tflite-int8", "tflite-int8-full", "tflite-int16x8"):
        converter.representative_dataset = lambda: representative(samples, task.batch or 1)
        int16 = ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        # The plain builtins stand behind, so that an op without a quantized form stays in float; the caller counts those.
        supported = [int16 if kind == "tflite-int16x8" else ops.TFLITE_BUILTINS_INT8, ops.TFLITE_BUILTINS]
    if kind == "tflite-int8-full":
        converter.inference_input_type = converter.inference_output_type = tf.int8
    converter.target_spec.supported_ops = [*supported, ops.SELECT_TF_OPS] if task.allow_flex else supported
    return converter


def representative(samples: Samples, batch: int) -> Iterator[Any]:
    """Calibration inputs as the TensorFlow converter wants them, `batch` examples at a time."""
    for signature, inputs in samples.items():
        count = min(len(values) for values in inputs.values())
        for first in range(0, count - batch + 1, batch):
            values = {name: value[first : first + batch] for name, value in inputs.items()}
            yield values if len(samples) == 1 else (signature, values)


def _int4(task: Task, saved_model: Path) -> Made:
    """Weights in 4 bits, channelwise, turned to float32 when they are used."""
    from litert_quantizer import quantizer, recipe

    single = tf.lite.TFLiteConverter.from_saved_model(str(saved_model)).convert()
    made = quantizer.Quantizer(bytearray(single), recipe.weight_only_wi4_afp32())
    return Made(bytes(made.quantize(enable_progress_report=False).quantized_model), QUANTIZER)


def _missing(message: str) -> list[str]:
    """Ops that the converter says LiteRT does not have."""
    found = re.findall(r"(?:TF Select|Custom) ops: ([^\n]+)", message)
    return sorted({name.strip() for each in found for name in each.split(",")})
