"""JPEG decoding, random-resized crop, flip and jitter in images a second, beside PyTorch's DataLoader; and packing beside what it can't do without.

    python benchmarks/pipeline_jpeg.py --peers /path/to/venv/bin/python --out benchmarks/results/pipeline_jpeg.json

2,000 JPEGs of 320 x 240, cut from the sample pictures of scikit-image and scikit-learn. The peers (`pipeline_jpeg_peers.py`: torchvision v2 and
albumentations in an environment of their own) see the same files and give batches of the same shape and type. All take turns, round after round;
what counts is the median. Packing is held against reading and decoding the files, or writing their bytes, whichever takes longer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import psutil
import skimage.data
import sklearn.datasets
import tensorflow as tf
from PIL import Image

from kvision.core.schema import AugmentOptions
from kvision.data import encoded
from kvision.data.pack import pack
from kvision.data.pipeline import Pipeline
from kvision.data.sources.image_folder import ImageFolder, Options

WIDTH, HEIGHT, SIZE_PX, BATCH, WARM_UP = 320, 240, 224, 32, 4
SAMPLES = (
    *("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png"),
    *("motorcycle_right.png", "retina.jpg", "rocket.jpg", "color.png", "china.jpg", "flower.jpg"),
)
AUGMENT = AugmentOptions(resized_crop=1.0, flip_x=0.5, colour=1.0, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05)
PEERS = ("torchvision pil", "torchvision tensor", "albumentations")


def write(root: Path, count: int) -> None:
    """Random parts of the sample pictures, a folder for each picture."""
    folders = (Path(skimage.data.__file__).parent, Path(sklearn.datasets.__file__).parent / "images")
    pictures = [Image.open(top / name).convert("RGB") for name in SAMPLES for top in folders if (top / name).is_file()]
    rng = np.random.default_rng(0)
    for number in range(count):
        picture = pictures[number % len(pictures)]
        most = min(picture.width / WIDTH, picture.height / HEIGHT)
        zoom = rng.uniform(0.8 * min(1.0, most), most)
        left, top = rng.uniform(0, picture.width - zoom * WIDTH), rng.uniform(0, picture.height - zoom * HEIGHT)
        part = picture.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=(left, top, left + zoom * WIDTH, top + zoom * HEIGHT))
        file = root / f"class{number % len(pictures):02}" / f"{number:05}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        part.save(file, "JPEG", quality=90)


def source(root: Path, **more: Any) -> ImageFolder:
    """The pictures; all but a few are for training."""
    options = Options(path=str(root), size_px=SIZE_PX, batch=BATCH, cache="none", val_size=12, augment=AUGMENT, **more)
    return ImageFolder(options, seed=0, base=root)


Turn = Callable[[], Callable[[], int]]
"""Makes ready, which is not measured; what it gives goes through so many images."""


def ours(pipeline: Pipeline, images: int) -> Callable[[], int]:
    """The images of a new iterator, whose graph has run and whose buffers are as full as they will be in the end."""
    iterator = iter(pipeline.train(0))
    for _ in range(WARM_UP):
        next(iterator)

    def turn() -> int:
        for _ in range(images // BATCH):
            next(iterator)
        return images // BATCH * BATCH

    return turn


def rounds(turns: dict[str, Turn], count: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Images a second of each, in turns, and images a second of one core's time, which says more where others use the machine, too."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    a_core: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(count + 1):  # the first one is not counted
        for name, ready in turns.items():
            turn = ready()
            spent, began = cpu_s(), time.perf_counter()
            images = turn()
            seconds, spent = time.perf_counter() - began, cpu_s() - spent
            print(f"round {number}: {name}: {images / seconds:.0f}, {images / spent:.0f} a core", file=sys.stderr, flush=True)
            if number:
                found[name].append(round(images / seconds, 1))
                a_core[name].append(round(images / spent, 1))
    return found, a_core


def cpu_s() -> float:
    """Seconds of all cores that this process and its children have taken."""
    me = psutil.Process()
    spent = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(each.user + each.system for each in spent)


def loading(root: Path, python: str, images: int, count: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Images a second of all pipelines."""
    one = source(root)
    pipeline = Pipeline(one, one.options, frozenset({"label"}), 0)
    command = [python, str(Path(__file__).with_name("pipeline_jpeg_peers.py")), str(root), str(images)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def theirs(name: str) -> int:
            print(name, file=process.stdin, flush=True)
            return int(next(line for line in process.stdout if line.startswith("images:")).rpartition(":")[2])  # imports print, too

        found = rounds({"kvision": lambda: ours(pipeline, images), **{name: lambda name=name: lambda: theirs(name) for name in PEERS}}, count)
        process.stdin.close()
    return found


def packing(root: Path, work: Path, count: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Images a second of packing, and of what bounds it."""
    files = sorted(map(str, root.rglob("*.jpg")))

    def decoded() -> int:
        pictures = tf.data.Dataset.from_tensor_slices(files).map(lambda file: tf.shape(encoded.stored(tf.io.read_file(file))), tf.data.AUTOTUNE)
        return sum(1 for _ in pictures.prefetch(tf.data.AUTOTUNE))

    def written() -> int:
        with (work / "copy").open("wb") as out:
            for file in files:
                out.write(Path(file).read_bytes())
            out.flush()
            os.fsync(out.fileno())
        return len(files)

    one = source(root)
    assert one.splits  # the heads of the files are read, which is no part of packing

    def packed() -> Callable[[], int]:
        shutil.rmtree(work / "packed", ignore_errors=True)
        return lambda: sum(pack(one, work / "packed").values())

    return rounds({"reading and decoding": lambda: decoded, "writing the bytes": lambda: written, "packing": packed}, count)


def ratios(rates: dict[str, list[float]], packs: dict[str, list[float]]) -> dict[str, float]:
    """What is asked for, of medians."""
    middle = {name: statistics.median(values) for name, values in {**rates, **packs}.items()}
    best = max(middle[name] for name in PEERS if name.startswith("torchvision"))
    bound = min(middle["reading and decoding"], middle["writing the bytes"])
    pairs = {"kvision / torchvision": best, "kvision / albumentations": middle["albumentations"]}
    found = {name: middle["kvision"] / value for name, value in pairs.items()} | {"packing / bound": middle["packing"] / bound}
    return {name: round(value, 2) for name, value in found.items()}


def main() -> None:
    """Prints and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", required=True, help="Python with torch, torchvision and albumentations.")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "pictures"
        write(root, arguments.images)
        load = os.getloadavg()
        rates, a_core = loading(root, arguments.peers, arguments.images, arguments.rounds)
        packs, packs_a_core = packing(root, Path(folder), arguments.rounds)
    found = {
        "command": f"python benchmarks/pipeline_jpeg.py --peers PYTHON --images {arguments.images} --rounds {arguments.rounds} --out FILE",
        "cores": len(os.sched_getaffinity(0)),
        "load before": [round(value, 2) for value in load],
        "batch": BATCH,
        "ratios": ratios(rates, packs),
        "ratios of a core's time": ratios(a_core, packs_a_core),
        "images_a_second": {**rates, **packs},
        "images_a_second_of_a_core": {**a_core, **packs_a_core},
    }
    arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in found.items() if name.startswith("ratios")}, indent=1))


if __name__ == "__main__":
    main()
