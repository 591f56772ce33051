"""Makes small bundles as the exporter does, in seconds: real networks with fixed weights, converted by TensorFlow, with a manifest by the schema."""

from __future__ import annotations

import hashlib
import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision_edge import manifest, vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SIZE_PX, CLASSES = 32, 4
LABELS = ("background", "red", "green", "blue")
COLOURS = ((0, 0, 0), (255, 38, 38), (77, 191, 94), (77, 110, 191))
MEAN, STD = (0.45, 0.42, 0.38), (0.27, 0.26, 0.29)
KINDS = {"tflite-int8-full": "int8", "tflite-uint8-full": "uint8", "tflite-int16x8-full": "int16", "tflite-fp32": "float32"}
ACTIONS = ("left", "right")
ENVIRONMENT = "CartPole-v1"
VOCABULARY = ("<pad>", "<start>", "<end>", "<unk>", "a", "red", "dog", "on", "grass")


def segmenter() -> Any:
    """Logits `[B, 32, 32, 4]` that follow the picture's colours, so that answers are not all alike."""
    import tensorflow as tf

    random = np.random.default_rng(3)
    edges = random.normal(0, 0.15, (3, 3, 3, 8)).astype(np.float32)
    mix = random.normal(0, 1.0, (1, 1, 8, CLASSES)).astype(np.float32)
    direct = np.array([[-1, 2, -1, -1], [-1, -1, 2, -1], [-1, -1, -1, 2]], np.float32)[None, None]

    def network(image: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.nn.relu(tf.nn.conv2d(image, edges, 1, "SAME"))
        return {"logits": tf.add(tf.nn.conv2d(features, mix, 1, "SAME"), tf.nn.conv2d(image, direct, 1, "SAME"), name="logits")}

    return tf.function(network).get_concrete_function(tf.TensorSpec([1, SIZE_PX, SIZE_PX, 3], tf.float32, name="image"))


def captioner() -> dict[str, Any]:
    """Two functions: features of the picture, and a recurrent step over `token` and `state` that looks at sixteen places."""
    import tensorflow as tf

    random = np.random.default_rng(5)
    count = len(VOCABULARY)
    seen, kept, words, out = (random.normal(0, 0.9, shape).astype(np.float32) for shape in ((3, 8), (8, 8), (count, 8), (8, count)))

    def encode(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"state": tf.tanh(tf.matmul(tf.reduce_mean(image, [1, 2]), seen)), "features": tf.nn.avg_pool2d(image, 8, 8, "VALID")}

    def step(token: tf.Tensor, state: tf.Tensor, features: tf.Tensor) -> dict[str, tf.Tensor]:
        after = tf.tanh(tf.matmul(state, kept) + tf.gather(words, token))
        looked = tf.nn.softmax(tf.matmul(tf.reshape(features, [1, 16, 3]), seen) @ after[..., None], axis=1)[..., 0]
        return {"logits": tf.matmul(after, out), "state": tf.identity(after), "alpha": looked}

    picture = tf.TensorSpec([1, SIZE_PX, SIZE_PX, 3], tf.float32, name="image")
    token, state = tf.TensorSpec([1], tf.int32, name="token"), tf.TensorSpec([1, 8], tf.float32, name="state")
    features = tf.TensorSpec([1, 4, 4, 3], tf.float32, name="features")
    return {"encode": tf.function(encode).get_concrete_function(picture), "step": tf.function(step).get_concrete_function(token, state, features)}


def classifier() -> Any:
    """Logits `[B, 4]` by the ops that networks for pictures are made of: what a damaged file may be damaged in."""
    import tensorflow as tf

    random = np.random.default_rng(7)
    first, deep, up, last = (random.normal(0, 0.4, shape).astype(np.float32) for shape in ((3, 3, 3, 8), (3, 3, 8, 1), (2, 2, 8, 8), (16, CLASSES)))

    def network(image: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.nn.relu(tf.nn.conv2d(image, first, 2, "SAME"))
        pooled = tf.nn.max_pool2d(tf.nn.relu6(tf.nn.depthwise_conv2d(features, deep, [1, 1, 1, 1], "SAME")), 2, 2, "VALID")
        large = tf.nn.conv2d_transpose(pooled, up, [1, SIZE_PX // 2, SIZE_PX // 2, 8], 2, "SAME")
        joined = tf.concat([large, tf.image.resize(tf.sigmoid(pooled), [SIZE_PX // 2, SIZE_PX // 2])], -1)
        return {"logits": tf.matmul(tf.reduce_mean(tf.pad(joined, [[0, 0], [1, 1], [1, 1], [0, 0]]), [1, 2]), last)}

    return tf.function(network).get_concrete_function(tf.TensorSpec([1, SIZE_PX, SIZE_PX, 3], tf.float32, name="image"))


def balancer() -> Any:
    """Logits `[B, 2]` that balance CartPole: push to where the pole falls, by its angle and how fast that changes."""
    import tensorflow as tf

    weights = np.array([[0.0, 0.0], [0.0, 0.0], [-10.0, 10.0], [-5.0, 5.0]], np.float32)

    def network(observation: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": tf.matmul(observation, weights)}

    return tf.function(network).get_concrete_function(tf.TensorSpec([1, 4], tf.float32, name="observation"))


def converted(functions: Mapping[str, Any], kind: str, folder: Path, scale: float = 1.0) -> bytes:
    """A LiteRT file of concrete functions by signature; `kind`: dtype of its inputs and outputs; `scale`: of the inputs it is calibrated with."""
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(folder), signatures=dict(functions))
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=list(functions))
    if kind != "float32":
        random = np.random.default_rng(0)
        (taken,) = functions["predict"].structured_input_signature[0]
        given = [random.normal(0, scale, taken.shape).astype(np.float32) for _ in range(20)]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (("predict", {taken.name: each}) for each in given)
        wide = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [wide if kind == "int16" else tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf.lite warns of itself
        return bytes(converter.convert())


def write(
    folder: Path,
    files: Mapping[str, bytes],
    task: str,
    labels: tuple[str, ...],
    decode: Mapping[str, Any],
    steps: int = 2,
    words: tuple[str, ...] = (),
) -> Path:
    """A whole bundle: files, sample, manifest, vocabulary of `words`; `steps` of its outputs is what another interpreter may differ by."""
    from kvision_edge import quantization
    from kvision_edge.interpreter import Runner

    folder.mkdir(parents=True)
    (folder / manifest.LABELS).write_text("\n".join(labels) + "\n")
    if words:
        (folder / vocabulary.NAME).write_text(json.dumps({"schema": vocabulary.SCHEMA, "kind": "word", "tokens": words}))
    entries = []
    for name, content in files.items():
        (folder / f"{name}.tflite").write_bytes(content)
        runner = Runner(content, name)
        first, signature = next(iter(runner.signatures.items()))
        ((taken, tensor),) = signature.inputs.items()
        sample = np.random.default_rng(1).normal(0, 1, tensor.shape).astype(np.float32)
        np.savez(folder / "sample.npz", **{taken: sample})
        outputs = runner.raw(first, {taken: quantization.stored(sample, tensor)})
        np.savez(folder / f"sample-{name}.npz", **outputs)
        step = max(scale for tensor in signature.outputs.values() for scale in tensor.scale or (1e-4,))
        entries.append(
            manifest.File(
                f"{name}.tflite", name, len(content), hashlib.sha256(content).hexdigest(), runner.signatures, "2.14",
                metrics={"miou": 0.5}, sample=manifest.Sample(f"sample-{name}.npz", steps * step),
            )
        )  # fmt: skip
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir()) if path.suffix != ".tflite"}
    preprocess = manifest.Preprocess(SIZE_PX, "resize", MEAN, STD) if taken == "image" else None
    made = manifest.Manifest(
        "tiny", task, tuple(entries), preprocess, labels, COLOURS if task == "segmentation" else (),
        decode, {"miou": 0.5}, {"run": "none"}, {}, sample_input="sample.npz", checksums=sums,
    )  # fmt: skip
    (folder / manifest.NAME).write_text(made.to_json(), encoding="utf-8")
    return folder


def changed(bundle: Path, **values: Any) -> None:
    """Sets keys of a bundle's manifest; dictionaries are merged."""
    found = json.loads((bundle / manifest.NAME).read_text())
    for key, value in values.items():
        found[key] = {**found[key], **value} if isinstance(value, dict) else value
    (bundle / manifest.NAME).write_text(json.dumps(found))


def described(task: str, decode: Mapping[str, Any], labels: tuple[str, ...] = ("a", "b", "c", "d")) -> manifest.Manifest:
    """A manifest without files."""
    return manifest.Manifest("m", task, (), None, labels, tuple((n, n, n) for n in range(len(labels))), decode, {}, {}, {})


def giving(*outputs: str) -> dict[str, manifest.Signature]:
    """A function of a picture that gives some outputs."""
    floats = manifest.Tensor((1, 4), "float32")
    return {"predict": manifest.Signature({"image": floats}, dict.fromkeys(outputs, floats))}


def segmentation(folder: Path, work: Path) -> Path:
    """A bundle of one network with int8, uint8, int16 and float edges."""
    network = segmenter()
    files = {name: converted({"predict": network}, kind, work / name) for name, kind in KINDS.items()}
    return write(folder, files, "segmentation", LABELS, {"output": "logits", "activation": "softmax"})


def classification(folder: Path, work: Path) -> Path:
    """A bundle of a network of many kinds of ops, with int8 and float edges."""
    files = {name: converted({"predict": classifier()}, KINDS[name], work / name) for name in ("tflite-int8-full", "tflite-fp32")}
    return write(
        folder, files, "classification", LABELS, {"output": "logits", "activation": "softmax", "top_k": 3}, steps=4
    )  # each of ten ops rounds


def policy(folder: Path, work: Path) -> Path:
    """A bundle of a policy for CartPole."""
    files = {name: converted({"predict": balancer()}, KINDS[name], work / name, 0.3) for name in ("tflite-fp32", "tflite-int8-full")}
    return write(folder, files, "policy", ACTIONS, {"output": "logits", "policy": "categorical", "environment": ENVIRONMENT})


def captioning(folder: Path, work: Path) -> Path:
    """A bundle with two functions."""
    files = {"tflite-fp32": converted(captioner(), "float32", work / "captioner")}
    return write(folder, files, "captioning", (), {"start": 1, "end": 2, "max_length": 6, "beam": 3, "nbest": 2}, words=VOCABULARY)


def squares(paths: list[Path]) -> dict[str, np.ndarray]:
    """What the training's graph makes of pictures, uint8 `[S, S, 3]` by file name."""
    import tensorflow as tf

    from kvision.data import decode, preprocess

    graph = preprocess.Preprocess(SIZE_PX, "resize", MEAN, STD)
    return {path.name: graph.resize(tf.constant(decode.rgb(path)))[0].numpy() for path in paths}


MAKERS = {made.__name__: made for made in (segmentation, classification, captioning, policy)}
"""By task, what makes a bundle in a folder, given another folder to work in."""
