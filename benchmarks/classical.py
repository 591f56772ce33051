"""Softmax, SVM and kNN of the recipes on Fashion-MNIST beside scikit-learn's own: the same pixels, the same split.

    python benchmarks/classical.py --out benchmarks/results/classical.json

Ours are trained by the command line and asked once for the test split by `kvision eval --split test`. Scikit-learn's see the pictures as the recipe's
network sees them, one channel of the three that are equal, and have the recipe's penalty; logistic regression also its own, at which it learns by
heart. About twenty minutes on a busy machine. LinearSVC takes an hour where the penalty is much weaker.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Splits = dict[str, tuple[np.ndarray, np.ndarray]]
"""Pixels and labels of each split."""
FOLDER = Path("recipes/classification")
NAMES = ("softmax", "svm", "knn")
CANDIDATES = (1, 3, 5, 7, 9, 13, 17, 25)


def pixels(recipe: Path, size: int | None) -> Splits:
    """One channel of the normalised pictures float32 `[N, 784]`, and the labels, of each split as the recipe divides them."""
    from kvision import catalog
    from kvision.data.pipeline import Pipeline

    overrides = [] if size is None else [f"data.train_size={size}"]
    resolved = catalog.load(recipe, overrides)
    options = resolved.recipe.data
    source = catalog.source(options.source)(options, seed=resolved.recipe.train.seed, base=Path(resolved.base))
    preprocess = Pipeline(source, options, frozenset({"label"}), 0).preprocess
    found = {}
    for name in ("train", "val", "test"):
        split = source.split(name)
        raw = split.read(np.arange(len(split)), frozenset({"image", "label"}))
        images = preprocess.normalise(raw["image"]).numpy()[..., 0]
        found[name] = images.reshape(len(images), -1), raw["label"].numpy()
    return found


def theirs(data: Splits) -> dict[str, Callable[[], Any]]:
    """Scikit-learn's models, not yet fitted, by name; with the recipe's penalty, and, where that takes no hours, with their own."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    softmax_c, svm_c = (_penalty(FOLDER / f"{name}.yaml", len(data["train"][1])) for name in ("softmax", "svm"))
    return {
        "softmax: LogisticRegression": lambda: LogisticRegression(max_iter=300),
        f"softmax: LogisticRegression, C={softmax_c:.3g} as the recipe": lambda: LogisticRegression(C=softmax_c, max_iter=300),
        f"svm: LinearSVC, C={svm_c:.3g} as the recipe": lambda: LinearSVC(C=svm_c, dual=False),
        "knn: KNeighborsClassifier, the best k of validation": lambda: _by_validation(data),
    }


def _penalty(recipe: Path, count: int) -> float:
    """Scikit-learn's C for the recipe's `l2`: it counts the loss of all examples against half the square of the weights."""
    from kvision import catalog

    found = catalog.load(recipe).recipe
    # Weights of three equal channels have a third of the square that their sum has.
    return (1.0 if found.model.grey else 3.0) / (found.loss.l2 * count)


def _by_validation(data: Splits) -> Any:
    """Scikit-learn's kNN with the k of the candidates that is best on validation."""
    from scipy.stats import mode
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(max(CANDIDATES)).fit(*data["train"])
    nearest = data["train"][1][model.kneighbors(data["val"][0], return_distance=False)]
    scores = {k: float(np.mean(mode(nearest[:, :k], axis=1).mode == data["val"][1])) for k in CANDIDATES}
    print({k: round(score, 4) for k, score in scores.items()}, flush=True)
    return KNeighborsClassifier(max(scores, key=lambda k: scores[k]))


def judge(name: str, make: Callable[[], Any], data: Splits) -> dict[str, Any]:
    """A row of the table for one of scikit-learn's models."""
    started = time.perf_counter()
    model = make().fit(*data["train"])
    return _row(name, model.score(*data["val"]), model.score(*data["test"]), started)


def ours(name: str, folder: Path, size: int | None) -> dict[str, Any]:
    """A row for a recipe, trained and asked by the command line in processes of their own."""
    started = time.perf_counter()
    overrides = [] if size is None else [f"data.train_size={size}"]
    run = str(folder / name)
    subprocess.run([sys.executable, "-m", "kvision", "train", str(FOLDER / f"{name}.yaml"), *overrides, "--run-dir", run], check=True)
    found = []
    for split in ("val", "test"):
        command = [sys.executable, "-m", "kvision", "eval", run, "--split", split, "--json"]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found.append(json.loads(told.splitlines()[-1])["metrics"]["top1"])
    return _row(f"{name}: kvision", *found, started)


def _row(name: str, val: float, test: float, started: float) -> dict[str, Any]:
    row = {"model": name, "val/top1": round(float(val), 4), "test/top1": round(float(test), 4), "seconds": round(time.perf_counter() - started, 1)}
    print(row, flush=True)
    return row


def main() -> None:
    """Runs everything and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/classical.json"))
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="which models; the rows of the others are kept")
    parser.add_argument("--train-size", type=int, help="training examples; none: all")
    parser.add_argument("--whose", choices=("both", "ours", "theirs"), default="both")
    arguments = parser.parse_args()
    rows = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
    made = []
    if arguments.whose != "ours":
        data = pixels(FOLDER / "softmax.yaml", arguments.train_size)
        made = [judge(name, make, data) for name, make in theirs(data).items() if name.split(":")[0] in arguments.only]
    if arguments.whose != "theirs":
        with tempfile.TemporaryDirectory() as root:
            made += [ours(name, Path(root), arguments.train_size) for name in arguments.only]
    names = {row["model"] for row in made}
    rows = sorted([row for row in rows if row["model"] not in names] + made, key=lambda row: row["model"])
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
