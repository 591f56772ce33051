"""The models of `inference.py`: as our LiteRT files, and as ONNX files for the other runtimes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from kvision import catalog
from kvision.commands import export
from kvision.core.labels import IGNORE_LABEL
from kvision.engine.session import open_session
from kvision_export.formats import FORMATS, FP32, FULL_INT8
from kvision_export.tflite import calibration, convert, subpixel

if TYPE_CHECKING:
    from kvision.engine.session import Session

HERE = Path(__file__).parent
LARGE = ["model.width=32", "model.depth=3", "data.size_px=128", "data.train_size=100", "data.val_size=10"]
"""The U-Net of `throughput.py`."""
FEW = 40
"""Calibration images where weights are random and nothing hangs on them."""
NAMES = ("unet64", "unet128", "mobilenetv2")
KEPT = "-int8-kept"
"""Of the U-Nets' files whose transposed convolutions were left as they are."""


def make(run: Path | None, peers: str, folder: Path) -> dict[str, np.ndarray]:
    """Makes all files: `NAME-fp32` and `NAME-int8`, `.tflite` and `.onnx`, and the images that they are calibrated on, `NAME.npy`.

    Args:
        run: Of recipes/unet.yaml, trained; none: that U-Net's weights are random.
        peers: Python of the environment of the others.
        folder: Where to.

    Returns:
        The validation set of the run, `images` and `masks`; empty without one.
    """
    validation = {}
    if run is None:
        unet = _session([])
        small, images = unet.system.net, _images(unet, calibration.COUNT)
    else:
        subject = export.open_subject(run)
        small = subject.system.net
        (images,) = next(iter(calibration.choose(subject).inputs.values())).values()
        validation = _validation(subject.session)
    large = _session(LARGE)
    keras.utils.set_random_seed(0)
    mobile = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
    _lite("unet64", small, images, folder)
    wide = _images(large, FEW)
    _lite("unet128", large.system.net, wide, folder)
    pictures = tf.image.resize(wide, mobile.input_shape[1:3]).numpy()
    _settle(mobile, pictures)
    _lite("mobilenetv2", mobile, pictures, folder)
    _onnx(dict(zip(NAMES, (small, large.system.net, mobile), strict=True)), peers, folder)
    return validation


def _session(overrides: list[str]) -> Session:
    resolved = catalog.load("unet", overrides)
    recipe = resolved.recipe
    return open_session(resolved, catalog.system(recipe.system), catalog.source(recipe.data.source), devices="cpu", training=False)


def _settle(net: keras.Model, images: np.ndarray) -> None:
    """Gives the normalisations the statistics of images; without, random weights end in outputs of 1e-11, for which int8 has no scale."""
    for layer in net.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    net(images, training=True)


def _images(session: Session, count: int) -> np.ndarray:
    pipeline = session.pipeline
    return pipeline.preprocess.normalise(np.stack([pipeline.raw("train", index)["image"] for index in range(count)])).numpy()


def _validation(session: Session) -> dict[str, np.ndarray]:
    batches = [(batch["image"][batch["weight"] > 0], batch["mask"][batch["weight"] > 0]) for batch in session.pipeline.val().as_numpy_iterator()]
    images, masks = zip(*batches, strict=True)
    return {"images": np.concatenate(images), "masks": np.concatenate(masks)}


def _lite(name: str, net: keras.Model, images: np.ndarray, folder: Path) -> None:
    np.save(folder / f"{name}.npy", images)
    subject = SimpleNamespace(networks=lambda: {"net": net})
    ranges = calibration.Calibration((), (), {"net": {net.inputs[0].name: images}}, 0, {}, (), "")
    outs = {FORMATS[FP32]: folder / f"{name}-fp32.tflite", FORMATS[FULL_INT8]: folder / f"{name}-int8.tflite"}
    results = convert.convert_many(subject, outs, calibration=ranges)
    if name != "mobilenetv2":
        with mock.patch.object(subpixel, "applies", return_value=False):
            results |= convert.convert_many(subject, {FORMATS[FULL_INT8]: folder / f"{name}{KEPT}.tflite"}, calibration=ranges)
    for result in results.values():
        if isinstance(result, Exception):
            raise SystemExit(str(result))


def _onnx(nets: dict[str, keras.Model], peers: str, folder: Path) -> None:
    packages = subprocess.run([peers, "-c", "import onnx; print(onnx.__path__[0][:-5])"], capture_output=True, text=True, check=True).stdout.strip()
    sys.path.append(packages)  # behind our own: tf2onnx needs the networks' TensorFlow
    import tf2onnx

    for name, net in nets.items():
        function = tf.function(lambda image, net=net: {"output": net(image, training=False)})
        spec = tf.TensorSpec([1, *net.input_shape[1:]], tf.float32, name="image")
        tf2onnx.convert.from_function(function, [spec], opset=17, output_path=str(folder / f"{name}-fp32.onnx"))
    subprocess.run([peers, str(HERE / "inference_quantize.py"), str(folder), *nets], check=True)


def miou(outputs: np.ndarray, masks: np.ndarray) -> float:
    """Mean over the classes of intersection by union, over all pixels of all images.

    Args:
        outputs: Logits `[N, S, S, K]`.
        masks: `[N, S, S]`.
    """
    classes, valid = outputs.shape[-1], masks != IGNORE_LABEL
    table = np.bincount(masks[valid].astype(int) * classes + outputs.argmax(-1)[valid], minlength=classes**2).reshape(classes, classes)
    hits = np.diag(table)
    return float(np.mean(hits / (table.sum(0) + table.sum(1) - hits)))
