"""Converts a twin and runs the file."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision_export.quantize import twin
from kvision_export.tflite import freeze

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Only:
    """What has one network to export."""

    net: keras.Model

    def networks(self) -> dict[str, keras.Model]:
        """The network."""
        return {"predict": self.net}


@dataclass(frozen=True)
class File:
    """An int8 file.

    Attributes:
        content: The flatbuffer.
        ops: Names of its operations in order.
        floats: Those that read or write float32.
    """

    content: bytes
    ops: list[str]
    floats: list[str]

    def run(self, images: np.ndarray) -> tuple[np.ndarray, float]:
        """Outputs in real numbers, by LiteRT's own kernels, and the size of their steps."""
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        interpreter = Interpreter(model_content=self.content, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        interpreter.allocate_tensors()
        taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        assert taken["dtype"] == given["dtype"] == np.int8
        outputs = []
        for image in images:
            scale, zero = taken["quantization"]
            interpreter.set_tensor(taken["index"], np.clip(np.round(image[None] / scale) + zero, -128, 127).astype(np.int8))
            interpreter.invoke()
            scale, zero = given["quantization"]
            outputs.append((interpreter.get_tensor(given["index"]).astype(np.float32) - zero) * scale)
        return np.concatenate(outputs), scale


def calibrated(net: keras.Model, images: np.ndarray) -> keras.Model:
    """The network's twin with ranges of these images."""
    made = twin.make(net)
    with twin.calibrating([made]):
        made(images)
    return made


def convert(net: keras.Model) -> File:
    """The file of a settled twin: no representative data is given."""
    from ai_edge_litert import schema_py_generated as schema

    converter = tf.lite.TFLiteConverter.from_concrete_functions(list(freeze.concrete(Only(net)).values()))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected", UserWarning)
        content = bytes(converter.convert())
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    tensors, ops, floats = model.subgraphs[0].tensors, [], []
    for each in model.subgraphs[0].operators:
        code: Any = model.operatorCodes[each.opcodeIndex]
        ops.append(names[max(code.builtinCode, code.deprecatedBuiltinCode)])
        if any(tensors[index].type == schema.TensorType.FLOAT32 for index in [*each.inputs, *each.outputs] if index >= 0):
            floats.append(ops[-1])
    return File(content, ops, floats)
