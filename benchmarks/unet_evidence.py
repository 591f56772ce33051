"""Evidence for recipes/unet.yaml: three seeds beside the controls that must fail.

    python benchmarks/unet_evidence.py --out benchmarks/results/unet_evidence.json

Trains the recipe for seeds 0, 1 and 2 and, with seed 0, with its skip connections removed, each by the command line in a process of its own, and
works out what predicting the background everywhere would score on the same validation scenes. About half an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RUNS = {
    "U-Net, seed 0": ("recipes/unet.yaml", "train.seed=0"),
    "U-Net, seed 1": ("recipes/unet.yaml", "train.seed=1"),
    "U-Net, seed 2": ("recipes/unet.yaml", "train.seed=2"),
    "skips removed, seed 0": ("recipes/segmentation/unet_no_skips.yaml", "train.seed=0"),
}


def train(name: str, folder: Path, recipe: str, *overrides: str) -> dict[str, float | str]:
    """Trains in a process of its own; returns the best validation mIoU, pixel accuracy and the seconds of the whole command."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "kvision", "train", recipe, *overrides, "--run-dir", str(folder)], check=True)
    seconds = time.perf_counter() - started
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    best = max(rows, key=lambda row: float(row["val/miou"]))
    summary = json.loads((folder / "summary.json").read_text())
    return {
        "run": name,
        "val/miou": round(float(best["val/miou"]), 4),
        "val/pixel_accuracy": round(float(best["val/pixel_accuracy"]), 4),
        "epoch": int(best["epoch"]),
        "training_s": round(summary["seconds"], 1),
        "command_s": round(seconds, 1),
        "wait_share": round(summary["wait_share"], 4),
    }


def background_only(folder: Path) -> dict[str, float | str]:
    """What a predictor that always says background scores on the scenes that the run in `folder` was validated on."""
    confusion = np.asarray(json.loads((folder / "evaluation.json").read_text())["tables"]["confusion"], np.float64)
    pixels = confusion.sum(axis=1)
    background = pixels[0] / pixels.sum()
    return {"run": "background only", "val/miou": round(background / np.count_nonzero(pixels), 4), "val/pixel_accuracy": round(background, 4)}


def main() -> None:
    """Runs everything and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/unet_evidence.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folders = {name: Path(root) / f"run-{number}" for number, name in enumerate(RUNS)}
        rows = [train(name, folders[name], *command) for name, command in RUNS.items()]
        rows.append(background_only(folders["U-Net, seed 0"]))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(rows, indent=1) + "\n")
    for row in rows:
        print(" | ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
