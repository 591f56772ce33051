"""CPU time that the input pipeline takes for a batch of the default recipe: 16 scenes of 128 x 128, from memory.

    python benchmarks/pipeline.py --batches 200

Training keeps all cores busy, so it is CPU time that counts, not how long one waits for a batch that nothing else competes for.
"""

from __future__ import annotations

import argparse
import json
import time

import psutil

from kvision import catalog
from kvision.data.augment import TRANSFORMS
from kvision.data.pipeline import Pipeline

SETTINGS: dict[str, dict[str, float]] = {
    "no augmentation": {},
    "flips": {"flip_x": 0.5, "flip_y": 0.5},
    "colour, scale, rotate at 0.5": {"colour": 0.5, "scale": 0.5, "rotate": 0.5},
    "everything at 0.5": dict.fromkeys(TRANSFORMS, 0.5),
}
WARM_UP = 10


def measure(pipeline: Pipeline, batches: int) -> tuple[float, float]:
    """CPU and wall milliseconds a batch."""
    iterator = iter(pipeline.train(0))
    for _ in range(WARM_UP):
        next(iterator)
    process = psutil.Process()
    before, began = process.cpu_times(), time.perf_counter()
    for _ in range(batches):
        next(iterator)
    after, ended = process.cpu_times(), time.perf_counter()
    cpu_s = after.user + after.system - before.user - before.system
    return 1000 * cpu_s / batches, 1000 * (ended - began) / batches


def main() -> None:
    """Prints one JSON line a setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=200)
    arguments = parser.parse_args()
    resolved = catalog.load("unet", ["data.train_size=512"])
    options, seed = resolved.recipe.data, resolved.recipe.train.seed
    source = catalog.source(options.source)(options, seed=seed, base=resolved.base)
    for name, chosen in SETTINGS.items():
        section = options.model_copy(update={"augment": options.augment.model_copy(update=chosen)})
        cpu_ms, wall_ms = measure(Pipeline(source, section, frozenset({"mask"}), seed), arguments.batches)
        print(json.dumps({"setting": name, "cpu_ms": round(cpu_ms, 2), "wall_ms": round(wall_ms, 2)}))


if __name__ == "__main__":
    main()
