"""What quantization-aware fine-tuning gives back of what post-training quantization takes, on a small depthwise net.

    python benchmarks/qat.py --out benchmarks/results/qat.json

Trains a small segmentation net of StarNet's blocks on the scenes of recipes/unet.yaml, then makes full-int8 files of it: calibrated after the
training; fine-tuned by `kvision_export.quantize.qat`; and, for control, calibrated after as much more training in float32. All are run by LiteRT
on the whole validation set.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kvision import catalog
from kvision.engine import evaluation, events, session, trainer
from kvision.layers.normalization import BatchNormalization
from kvision.systems.segmentation.unet import UNet
from kvision_export.parity import runner, standin
from kvision_export.quantize import qat
from kvision_export.subject import Subject
from kvision_export.tflite import freeze

CALIBRATION = 200
EXPANSION = 4
RECIPE = {"model.width": "8", "model.depth": "3", "data.batch": "16", "data.size_px": "32", "optim.lr": "1e-2", "train.epochs": "6"}
"""What differs from recipes/unet.yaml."""


class DepthwiseSegmenter(UNet):
    """Encoder and decoder of StarNet's blocks (arXiv 2403.19967), with 3x3 depthwise convolutions in place of 7x7.

    Chosen among several families because quantization after training costs it more than the others; `qat_tried.json` beside the results tells which.
    """

    def build(self) -> dict[str, keras.Model]:
        """The network `net`: normalised image `[B, S, S, 3]` to logits `[B, S, S, K]`."""
        size_px, levels = self.recipe.data.size_px, self.recipe.model.levels
        image = keras.Input((size_px, size_px, 3), name="image")
        x = _normalised(keras.layers.Conv2D(levels[0], 3, 2, padding="same", use_bias=False, name="stem")(image), "stem")
        ends = []
        for level, filters in enumerate(levels):
            for number in range(2):
                x = _block(x, filters, f"encoder{level}{number}", strides=2 if level and not number else 1)
            ends.append(x)
        for level in reversed(range(len(levels) - 1)):
            x = keras.layers.Conv2DTranspose(levels[level], 2, strides=2, name=f"up{level}")(x)
            x = _block(keras.layers.Concatenate(name=f"skip{level}")([ends[level], x]), levels[level], f"decoder{level}")
        x = _normalised(keras.layers.Conv2DTranspose(levels[0], 2, strides=2, use_bias=False, name="up")(x), "up")
        return {"net": keras.Model(image, keras.layers.Conv2D(self.info.num_classes, 1, name="logits")(x), name="depthwise_segmenter")}


def _normalised(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.ReLU(6.0, name=f"{name}_relu6")(BatchNormalization(name=f"{name}_norm")(x))


def _block(x: keras.KerasTensor, filters: int, name: str, strides: int = 1) -> keras.KerasTensor:
    """To the wanted shape by a 3x3 convolution if need be; added to that: depthwise, the product of two expansions, projection, depthwise."""
    if strides != 1 or x.shape[-1] != filters:
        reshaped = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False, name=f"{name}_to")(x)
        x = BatchNormalization(name=f"{name}_to_norm")(reshaped)
    mixed = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_mix")(x)
    mixed = BatchNormalization(name=f"{name}_mix_norm")(mixed)
    gate = keras.layers.Conv2D(EXPANSION * filters, 1, activation="relu6", name=f"{name}_gate")(mixed)
    value = keras.layers.Conv2D(EXPANSION * filters, 1, name=f"{name}_value")(mixed)
    star = keras.layers.Multiply(name=f"{name}_star")([gate, value])
    made = BatchNormalization(name=f"{name}_project_norm")(keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(star))
    return keras.layers.Add(name=f"{name}_add")([x, keras.layers.DepthwiseConv2D(3, padding="same", name=f"{name}_spread")(made)])


class Lines(events.Action):
    """A line an epoch."""

    def on_event(self, event: events.Event) -> None:
        """Prints the epochs that end."""
        if isinstance(event, events.EpochEnded):
            print(f"  epoch {event.epoch}: loss {event.row['train/loss']:.4f}, mIoU {event.row['val/miou']:.4f}, {event.seconds:.0f} s", flush=True)


def train(folder: Path, settings: dict[str, Any], start: Subject | None = None) -> Subject:
    """The net trained in float32, from new weights or from those of another."""
    resolved = catalog.load("recipes/unet.yaml", [f"{key}={value}" for key, value in settings.items()])
    source = catalog.source(resolved.recipe.data.source)
    made = session.open_session(resolved, DepthwiseSegmenter, source, devices="cpu")
    if start is not None:
        made.system.net.set_weights(start.system.net.get_weights())
    trainer.Trainer(made, folder, events.Actions([Lines()])).run()
    session.restore(made, folder, "best")
    return Subject(dataclasses.replace(made, training=None), folder, folder, "best", "depthwise_segmenter")


def int8(subject: Subject, out: Path) -> Path:
    """A full-int8 file, calibrated on training images unless the ranges are trained."""
    freeze.save(subject, out.with_suffix(""))
    converter = tf.lite.TFLiteConverter.from_saved_model(str(out.with_suffix("")))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    if not qat.has_trained_ranges(subject):
        converter.representative_dataset = lambda: _training_images(subject)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    out.write_bytes(converter.convert())
    return out


def _training_images(subject: Subject) -> Any:
    pipeline = subject.session.pipeline
    for number in np.random.default_rng(0).choice(pipeline.num_train, CALIBRATION, replace=False):
        yield {"image": subject.preprocess.normalise(pipeline.raw("train", int(number))["image"][None])}


def miou(subject: Subject, file: Path | None = None) -> float:
    """Validation mIoU, per cent: of the networks, or of a file in their place."""
    where = subject.session
    if file is not None:
        calls = standin.calls_of(runner.Pool(file, 2), subject.system, str(file))
        where = dataclasses.replace(where, system=standin.system_on(subject.system, calls))
    return 100 * evaluation.evaluate(where).metrics["miou"]


def compare(seed: int, folder: Path, settings: dict[str, Any], options: qat.QatOptions) -> dict[str, float]:
    """One seed: the net in float, quantized after training, and fine-tuned; beside it, what as much more training in float would give."""
    settings = {**settings, "train.seed": seed}
    subject = train(folder / "float", settings)
    row = {"float": miou(subject), "ptq int8": miou(subject, int8(subject, folder / "ptq.tflite"))}
    print(row, flush=True)
    tuned = qat.finetune(subject, folder / "qat", options, Lines())
    row |= {"qat": miou(tuned), "qat int8": miou(subject, int8(tuned, folder / "qat.tflite"))}
    rate = subject.session.recipe.optim.lr * options.lr_scale
    more = {**settings, "optim.lr": rate, "optim.warmup_steps": 0, "train.epochs": options.epochs}
    longer = train(folder / "longer", more, subject)
    row |= {"longer float": miou(longer), "longer ptq int8": miou(longer, int8(longer, folder / "longer.tflite"))}
    row |= {"lost by ptq": row["float"] - row["ptq int8"], "qat over ptq": row["qat int8"] - row["ptq int8"]}
    row |= {"longer lost by ptq": row["longer float"] - row["longer ptq int8"], "qat over longer ptq": row["qat int8"] - row["longer ptq int8"]}
    return {"seed": seed, **{name: round(value, 3) for name, value in row.items()}}


def main() -> None:
    """Runs the seeds and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/qat.json"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--lr-scale", type=float, default=0.1)
    parser.add_argument("--set", nargs="*", default=[], dest="overrides", help="of recipes/unet.yaml, such as model.width=8")
    arguments = parser.parse_args()
    settings = RECIPE | dict(each.split("=", 1) for each in arguments.overrides)
    rows = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as root:
            rows.append(compare(seed, Path(root), settings, qat.QatOptions(arguments.epochs, arguments.lr_scale)))
        print(rows[-1], flush=True)
        found = {"recipe": settings, "epochs": arguments.epochs, "lr_scale": arguments.lr_scale, "val/miou, %": rows}
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
