"""The models of the golden suite: small enough to be worked out by hand, with every kind of signature that a server has to speak of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CONFIG = """model_config_list {{
  config {{
    name: "half" base_path: "{root}/half" model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
    version_labels {{ key: "stable" value: 1 }}
  }}
  config {{ name: "pair" base_path: "{root}/pair" model_platform: "tensorflow" }}
  config {{ name: "picture" base_path: "{root}/picture" model_platform: "tensorflow" }}
  config {{ name: "kinds" base_path: "{root}/kinds" model_platform: "tensorflow" }}
}}
"""


def write(root: Path) -> Path:
    """Saves `half` (versions 1 and 2), `pair`, `picture` and `kinds` under a folder; returns their models.config."""
    for version, offset in ((1, 2.0), (2, 3.0)):
        save_half(root / "half" / str(version), offset)
    _save(root / "pair" / "1", _pair())
    _save(root / "picture" / "1", _picture())
    _save(root / "kinds" / "1", _kinds())
    config = root / "models.config"
    config.write_text(CONFIG.format(root=root), encoding="utf-8")
    return config


def save_half(folder: Path, offset: float) -> None:
    """Saves y = x / 2 + offset for tensors of any shape, and for Examples with a feature `x`."""
    import tensorflow as tf

    variable = tf.Variable(offset)
    examples = tf.TensorSpec([None], tf.string, name="inputs")

    def feature(serialized: Any) -> Any:
        return tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]

    def predict(x: Any) -> Any:
        return {"y": x / 2 + variable}

    def regress(inputs: Any) -> Any:
        return {"outputs": feature(inputs) / 2 + variable}

    def scores(inputs: Any) -> Any:
        return {"scores": feature(inputs) / 2 + variable}

    def classify(inputs: Any) -> Any:
        x = feature(inputs)
        return {"scores": tf.concat([x / 2 + variable, x], 1), "classes": tf.tile([["half", "whole"]], [tf.shape(x)[0], 1])}

    functions = {
        "serving_default": tf.function(predict, [tf.TensorSpec(None, tf.float32, name="x")]),
        "regress_x": tf.function(regress, [examples]),
        "scores_x": tf.function(scores, [examples]),
        "classify_x": tf.function(classify, [examples]),
    }
    _save(folder, functions, variable)


def _pair() -> dict[str, Any]:
    import tensorflow as tf

    inputs = [tf.TensorSpec([None], tf.float32, name="a"), tf.TensorSpec([None], tf.float32, name="b")]
    return {
        "serving_default": tf.function(lambda a, b: {"sum": a + b, "difference": a - b}, inputs),
        "total": tf.function(lambda a, b: {"total": tf.reduce_sum(a) + tf.reduce_sum(b)}, inputs),
    }


def _picture() -> dict[str, Any]:
    import tensorflow as tf

    inputs = [tf.TensorSpec([None], tf.string, name="image")]
    return {"serving_default": tf.function(lambda image: {"image_bytes": tf.identity(image), "size": tf.strings.length(image)}, inputs)}


def _kinds() -> dict[str, Any]:
    import tensorflow as tf

    def same(dtype: tf.DType) -> Any:
        return tf.function(lambda x: {"y": tf.identity(x)}, [tf.TensorSpec(None, dtype, name="x")])

    return {dtype.name: same(dtype) for dtype in (tf.float32, tf.float64, tf.int32, tf.int64, tf.bool, tf.string)}


def _save(folder: Path, functions: dict[str, Any], variable: Any = None) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.variable = variable
    tf.saved_model.save(module, str(folder), signatures={name: function.get_concrete_function() for name, function in functions.items()})
