"""Layers as a device has them: in whole numbers, run by LiteRT."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

if TYPE_CHECKING:
    import keras


def whole_numbers(net: keras.Model, examples: np.ndarray) -> np.ndarray:
    """What an int8 file of the network, its ranges measured on the examples, says of each of them; it may hold no operation in float."""
    graph = tf.function(net).get_concrete_function(tf.TensorSpec((1, *examples.shape[1:])))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(graph)], net)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter.representative_dataset = lambda: ([example[None]] for example in examples)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected", UserWarning)
        warnings.filterwarnings("ignore", r"(?s).*tf.lite.Interpreter is deprecated", UserWarning)
        interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    floats = [each["name"] for each in interpreter.get_tensor_details() if each["dtype"] == np.float32]
    assert floats == []
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for example in examples:
        scale, zero = taken["quantization"]
        interpreter.set_tensor(taken["index"], np.clip(np.round(example[None] / scale) + zero, -128, 127).astype(np.int8))
        interpreter.invoke()
        scale, zero = given["quantization"]
        found.append((interpreter.get_tensor(given["index"])[0].astype(np.float32) - zero) * scale)
    return np.stack(found)
