"""What kvision-edge adds to the interpreter: first result, overhead of a prediction, throughput of a folder. A benchmark, never a test.

    python benchmarks/edge.py BUNDLE [--format int8-full] [--pictures 1000]

Every figure is taken beside the bare interpreter's, in the same process and turn by turn, because other programs disturb both alike.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import kvision_edge
import kvision_edge.model


def pictures(folder: Path, count: int, side: int) -> list[Path]:
    """JPEG files of the network's size, cut from scikit-learn's two photographs."""
    from sklearn.datasets import load_sample_images

    images, random = load_sample_images().images, np.random.default_rng(0)
    made = []
    for number in range(count):
        top, left = random.integers(0, 427 - side), random.integers(0, 640 - side)
        made.append(folder / f"{number:05d}.jpg")
        Image.fromarray(images[number % 2][top : top + side, left : left + side]).save(made[-1], quality=90)
    return made


def first_result_s(bundle: str, picture: Path, form: str) -> float:
    """Seconds of the whole command, the best of five."""
    command = [sys.executable, "-m", "kvision_edge", "run", bundle, str(picture), *(["--format", form] if form else [])]
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return min(taken)


def overhead(model: kvision_edge.model.Model, image: np.ndarray, runs: int = 200) -> tuple[float, float]:
    """Medians, milliseconds: the interpreter within a prediction, and all that is beside it."""
    inside, beside = [], []
    for _ in range(runs):
        before, started = model.runner.seconds, time.perf_counter()
        model.predict(image)
        whole = time.perf_counter() - started
        inside.append(1000 * (model.runner.seconds - before))
        beside.append(1000 * whole - inside[-1])
    return statistics.median(inside), statistics.median(beside)


def throughput(model: kvision_edge.model.Model, files: list[Path]) -> tuple[float, float]:
    """Pictures a second from files, and calls a second of the interpreter alone, in alternating blocks of 100."""
    name, signature = next(iter(model.runner.signatures.items()))
    inputs = {key: np.zeros(tensor.shape, tensor.dtype) for key, tensor in signature.inputs.items()}
    ours = theirs = 0.0
    for start in range(0, len(files), 100):
        block = files[start : start + 100]
        started = time.perf_counter()
        assert all(outcome.error is None for outcome in model.predict_many(block, lambda path: path))
        middle = time.perf_counter()
        for _ in block:
            model.runner.raw(name, inputs)
        ours, theirs = ours + middle - started, theirs + time.perf_counter() - middle
    return len(files) / ours, len(files) / theirs


def main() -> None:
    """Prints the three figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle")
    parser.add_argument("--format", default="")
    parser.add_argument("--pictures", type=int, default=1000)
    given = parser.parse_args()
    model = kvision_edge.load(given.bundle, format=given.format, threads=1)
    assert model.manifest.preprocess is not None
    side = model.manifest.preprocess.size_px
    with tempfile.TemporaryDirectory() as folder:
        files = pictures(Path(folder), given.pictures, side)
        print(f"{model.file.format}, {side} px, {model.engine.name} {model.engine.version}, 1 thread")
        print(f"first result     {first_result_s(given.bundle, files[0], given.format):.2f} s after the command (best of 5)")
        inside, beside = overhead(model, np.asarray(Image.open(files[0])))
        print(f"a prediction     interpreter {inside:.2f} ms, beside it {beside:.2f} ms: {beside / inside:+.1%}")
        ours, theirs = throughput(model, files)
        print(f"{len(files)} JPEG files  {ours:.0f} a second, interpreter alone {theirs:.0f}: {ours / theirs:.2f}x")


if __name__ == "__main__":
    main()
