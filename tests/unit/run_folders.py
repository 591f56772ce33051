"""A run folder as `kvision train` leaves it, for tests that only read one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kvision.report import folder

if TYPE_CHECKING:
    from pathlib import Path

MIOU = (0.2, 0.6, 0.5)


def make(path: Path, *, K: int = 3, status: str = "finished", epochs: int = 3, evaluated: bool = True, side: int = 16, **recipe: Any) -> Path:
    """Writes a run of `epochs` epochs whose best mIoU is 0.6 at epoch 2; `recipe` replaces whole sections."""
    (path / "pictures").mkdir(parents=True)
    values = {
        "system": "segmentation/unet",
        "model": {"width": 8},
        "data": {"source": "scenes", "size_px": 32, "batch": 4},
        "train": {"epochs": 3, "steps": None, "seed": 0},
        "expect": {"metric": "val/miou", "at_least": 0.55, "at_most": None, "evidence": "measured"},
        **recipe,
    }
    origins = {name: {"kind": "default", "where": ""} for name, _ in folder.leaves(values)}
    origins["model.width"] = {"kind": "recipe", "where": "recipes/unet.yaml:5"}
    _json(path / "resolved.json", {"values": values, "origins": origins, "recipe": "recipes/unet.yaml", "base": "recipes"})
    _json(path / "environment.json", {"command": ["kvision", "train", "recipes/my unet.yaml"], "versions": {"tensorflow": "2.21.0"}})
    palette = [[7 * k % 256, 90, 200] for k in range(K)]
    _json(path / "data.json", {"class_names": [f"class {k}" for k in range(K)], "palette": palette, "train": {"count": 12, "files": ["f"] * 5000}})
    lines = ["epoch,step,lr,train/loss,val/loss,val/miou"]
    events: list[dict[str, Any]] = [{"event": "started", "monitor": "val/miou", "mode": "max", "parameters": 1234, "precision": "bf16"}]
    for epoch in range(1, epochs + 1):
        lines.append(f"{epoch},{epoch * 3},0.001,{1 / epoch},{1.1 / epoch},{MIOU[epoch - 1]}")
        events.append({"event": "epoch_ended", "epoch": epoch, "seconds": 1.5, "images_per_s": 80.0, "wait_share": 0.01})
    events += [{"event": "warned", "message": "careful <script>alert(1)</script>"}] * 2
    (path / "metrics.csv").write_text("\n".join(lines) + "\n")
    (path / "events.jsonl").write_text("\n".join(json.dumps(event) for event in events) + '\n{"event": "torn')
    best = {"epoch": 2, "val/miou": 0.6} if epochs >= 2 else None
    _json(
        path / "summary.json",
        {"status": status, "steps": 3 * epochs, "epochs": epochs, "best": best, "seconds": 4.5, "images_per_s": 80.0, "wait_share": 0.01},
    )
    if evaluated:
        _evaluation(path, K, side)
    return path


def _evaluation(path: Path, K: int, side: int) -> None:
    rng = np.random.default_rng(0)
    examples = []
    for kind in ("worst", "random"):
        for place in range(8):
            name = f"pictures/{kind}-{place}.png"
            Image.fromarray(rng.integers(0, 256, (side, 3 * side, 3), np.uint8)).save(path / name)
            examples.append({"name": f"scenes/val/{kind}{place}", "picture": name, "score": place / 10, "kind": kind})
    tables = {"confusion": (np.eye(K, dtype=int) * 90 + 10).tolist(), "per_class": {"iou": [0.5] * (K - 1) + [None], "pixels": [1000] * K}}
    _json(path / "evaluation.json", {"metrics": {"miou": 0.6, "loss": 0.5}, "tables": tables, "examples": examples})


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))
