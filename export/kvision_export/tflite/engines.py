"""How each format is made: by the TensorFlow converter or by litert-quantizer. Runs in the child process only.

Which of the two makes a format was decided by measurement on the U-Net of recipes/unet.yaml (64 px, 200 validation images, one thread of LiteRT 2.3;
agreement: share of pixels whose class is the float network's), when its transposed convolutions still stood in the files (see `subpixel`):

| format          | TensorFlow converter                 | litert-quantizer 0.11                                    |
|-----------------|--------------------------------------|----------------------------------------------------------|
| int8 static     | **mIoU .8786, .9979, 1.64 ms**       | .8782, .9984, largest error 2.7 times as great, 2.00 ms  |
| int16x8 static  | **.7792 of .7798 (8 images), .9996** | .7788, .9992; both 94 ms                                 |
| dynamic range   | **.8785, .9989, 1.80 ms**            | .8781, .9988, 1.76 ms; wrong numbers on runtime 2.14     |
| int8 weights    |                                      | **.8785, .9993, 3.9 ms; the same on runtime 2.14**       |
| int4 weights    | none                                 | **.8675, .9870, 4.3 ms, 1.10 MB**, computed in integers  |
|                 |                                      | .8675, .9872, 12.8 ms where weights become float32 first |

The float network: .8784, 4.4 ms, 7.78 MB. Of the quantizer's 4-bit algorithms plain minimum and maximum lost least (OCTAV .8651, MSE .8591).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision_export.tflite import buffers, flatbuffer

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

Samples = Mapping[str, Mapping[str, np.ndarray]]
"""Calibration inputs `[N, ...]` by signature and input."""

TENSORFLOW, QUANTIZER = "TensorFlow converter", "litert-quantizer"


class RefusedError(Exception):
    """This format can't be made as asked for; the message is for the user."""


class UnsupportedOpsError(Exception):
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
        trained_ranges: Whether the ranges stand in the graph (quantization-aware training), so that nothing is calibrated.
        batch: Size of the first dimension; none: any.
    """

    format: str
    out: str
    runtime: str = "litert2"
    allow_flex: bool = False
    keep_float: tuple[str, ...] = ()
    trained_ranges: bool = False
    batch: int | None = 1


@dataclass(frozen=True)
class Made:
    """A converted file: the flatbuffer, which converter made it, and what a person should know of it."""

    content: bytes
    by: str
    notes: tuple[str, ...] = ()


class Engines:
    """Makes files of one set of networks; what several formats need, a float file and a calibrated one, is made once."""

    def __init__(self, saved_model: Path, samples: Samples, *, batch: int | None, allow_flex: bool) -> None:
        """Nothing is converted yet.

        Args:
            saved_model: Folder of the frozen networks.
            samples: Calibration inputs; empty where nothing is calibrated.
            batch: Size of the first dimension; none: any.
            allow_flex: Whether TensorFlow's own ops may stand in the files.
        """
        self.saved_model = saved_model
        self.samples = samples
        self.batch = batch
        self.allow_flex = allow_flex

    def make(self, task: Task) -> Made:
        """Makes one file.

        Args:
            task: What to make.

        Returns:
            The file's content.

        Raises:
            RefusedError: If the format can't be made as asked for.
            UnsupportedOpsError: If the network needs an op that LiteRT does not have.
        """
        try:
            return getattr(self, f"_{task.format.removeprefix('tflite-').replace('-', '_')}")(task)
        except Exception as error:
            missing = sorted({name.strip() for each in re.findall(r"(?:TF Select|Custom) ops: ([^\n]+)", str(error)) for name in each.split(",")})
            if missing:
                raise UnsupportedOpsError(missing) from error
            raise

    def _fp32(self, task: Task) -> Made:
        del task
        return Made(self._float, TENSORFLOW)

    def _fp16(self, task: Task) -> Made:
        if task.keep_float:
            raise RefusedError("all layers or none have their weights in float16; use tflite-fp32")
        converter = self._converter(tf.lite.OpsSet.TFLITE_BUILTINS)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        return Made(converter.convert(), TENSORFLOW)

    def _dynamic(self, task: Task) -> Made:
        from litert_quantizer import recipe

        if task.runtime != "litert2" and "TRANSPOSE_CONV" in flatbuffer.histogram(self._float):
            note = "weights int8, computed in float32: transposed convolutions of dynamic range need LiteRT 2"
            return self._quantized(recipe.weight_only_wi8_afp32(), task.keep_float, note=note)
        if task.keep_float:
            return self._quantized(recipe.dynamic_wi8_afp32(), task.keep_float)
        converter = self._converter(tf.lite.OpsSet.TFLITE_BUILTINS)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        # Per-channel weights of dense layers need runtime 2.17.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = task.runtime == "2.14"
        return Made(converter.convert(), TENSORFLOW)

    def _int8(self, task: Task, edges: Any = tf.float32) -> Made:
        from tensorflow.lite.python.convert import mlir_quantize

        if task.trained_ranges:
            return self._trained(task, edges)
        return Made(
            mlir_quantize(
                self._calibrated,
                input_data_type=edges,
                output_data_type=edges,
                denylisted_nodes=set(task.keep_float),
                disable_per_channel_for_dense_layers=task.runtime == "2.14",
            ),
            TENSORFLOW,
        )

    def _int8_full(self, task: Task) -> Made:
        return self._int8(task, tf.int8)

    def _trained(self, task: Task, edges: Any) -> Made:
        """By the ranges in the graph."""
        if task.keep_float:
            raise RefusedError("ranges were trained for all layers; to keep some in float, export without --qat")
        converter = self._converter(tf.lite.OpsSet.TFLITE_BUILTINS)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = edges
        return Made(converter.convert(), TENSORFLOW)

    def _int16x8(self, task: Task) -> Made:
        from litert_quantizer import recipe

        if task.trained_ranges:
            raise RefusedError("ranges were trained for int8; use tflite-int8 or tflite-int8-full, or export it without --qat")
        if task.keep_float:
            return self._quantized(recipe.static_wi8_ai16(), task.keep_float, calibrated=True)
        # Of several signatures at once this converter makes files that are wrong by 0.14 where each alone is by 0.0008.
        return Made(buffers.merge([self._int16(signature) for signature in self.samples]), TENSORFLOW)

    def _int16(self, signature: str) -> bytes:
        ops = tf.lite.OpsSet
        supported = ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8, ops.TFLITE_BUILTINS
        converter = self._converter(*supported, signature=signature)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: self._calls(signature)
        return bytes(converter.convert())

    def _int4(self, task: Task) -> Made:
        from litert_quantizer import recipe

        # Later rules come before earlier ones; what can't be had in 4 bits, transposed convolutions for one, gets 8.
        rest = [{**each, "regex": ""} for each in recipe.weight_only_wi8_afp32()]
        return self._quantized(rest + recipe.dynamic_wi4_afp32(), task.keep_float)

    def _quantized(self, rules: list[Any], keep_float: Collection[str], *, calibrated: bool = False, note: str = "") -> Made:
        """By litert-quantizer, from the float file."""
        from litert_quantizer import qtyping, quantizer
        from litert_quantizer.recipe import AlgorithmName

        made = quantizer.Quantizer(bytearray(self._float), rules)
        for name in keep_float:
            made.update_quantization_recipe(f"^{re.escape(name)};", qtyping.TFLOperationName.ALL_SUPPORTED, algorithm_key=AlgorithmName.NO_QUANTIZE)
        measured = made.calibrate({key: list(self._calls(key)) for key in self.samples}, num_threads=1) if calibrated else None
        content = made.quantize(measured, enable_progress_bar=False, enable_progress_report=False).quantized_model
        return Made(bytes(content or b""), QUANTIZER, (note,) if note else ())

    @cached_property
    def _float(self) -> bytes:
        return bytes(self._converter(tf.lite.OpsSet.TFLITE_BUILTINS).convert())

    @cached_property
    def _calibrated(self) -> bytes:
        """The float file with the range of every activation."""
        ops = tf.lite.OpsSet
        # The plain builtins stand behind, so that an op without a quantized form stays in float; the parent counts those.
        converter = self._converter(ops.TFLITE_BUILTINS_INT8, ops.TFLITE_BUILTINS)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = self._representative
        converter._experimental_calibrate_only = True
        return bytes(converter.convert())

    def _converter(self, *supported: Any, signature: str | None = None) -> Any:
        """The TensorFlow converter of all signatures, or of one."""
        converter = tf.lite.TFLiteConverter.from_saved_model(str(self.saved_model), signature_keys=[signature] if signature else None)
        converter.target_spec.supported_ops = [*supported, *([tf.lite.OpsSet.SELECT_TF_OPS] if self.allow_flex else [])]
        return converter

    def _representative(self) -> Iterator[Any]:
        """Calibration inputs as the TensorFlow converter wants them."""
        for signature in self.samples:
            for values in self._calls(signature):
                yield values if len(self.samples) == 1 else (signature, values)

    def _calls(self, signature: str) -> Iterator[dict[str, np.ndarray]]:
        """The inputs of one signature, a batch at a time."""
        inputs, batch = self.samples[signature], self.batch or 1
        count = min(len(values) for values in inputs.values())
        for first in range(0, count - batch + 1, batch):
            yield {name: value[first : first + batch] for name, value in inputs.items()}
