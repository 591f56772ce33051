"""Networks of timm and torchvision with random weights say the same here, once their files have gone through `model.weights`.

    pip install torch torchvision timm safetensors          # in an environment of its own, whose Python is given
    python benchmarks/torch_weights.py --original /venvs/torch/bin/python --out benchmarks/results/torch_weights.json

The control is what the original says of the same pictures with rows and columns exchanged: it must differ by a hundred times the
tolerance, or this measurement shows nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kvision import catalog
from kvision.core.schema import DataOptions, Recipe
from kvision.data.source import DataInfo
from kvision.engine import pretrained

TOLERANCE = 1e-4
CLASSES = 1000
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "timm:tf_efficientnet_lite0": ("efficientnet", {"variant": "lite0"}),
    "timm:efficientnet_lite0": ("efficientnet", {"variant": "lite0", "padding": "even"}),
    "timm:tf_efficientnet_b0": ("efficientnet", {"variant": "b0"}),
    "timm:efficientnet_b0": ("efficientnet", {"variant": "b0", "padding": "even"}),
    "torchvision:resnet18": ("resnet", {"depth": 18}),
    "timm:resnet34": ("resnet", {"depth": 34}),
    "torchvision:resnet50": ("resnet", {"depth": 50}),
    "torchvision:resnext50_32x4d": ("resnet", {"depth": 50, "groups": 32}),
    "timm:vit_tiny_patch16_224": ("vit", {"width": 192, "heads": 3}),
    "timm:vit_small_patch16_224": ("vit", {"width": 384, "heads": 6}),
    "timm:vit_base_patch16_224": ("vit", {}),
    "timm:deit_tiny_patch16_224": ("vit", {"width": 192, "heads": 3}),
    "timm:convnext_tiny": ("convnext", {}),
    "timm:mobilenetv2_100": ("mobilenet", {"version": "v2", "padding": "even"}),
    "timm:mobilenetv2_140": ("mobilenet", {"version": "v2", "alpha": 1.4, "padding": "even"}),
    "timm:mobilenetv3_large_100": ("mobilenet", {"version": "v3_large", "padding": "even"}),
    "timm:mobilenetv3_small_100": ("mobilenet", {"version": "v3_small", "padding": "even"}),
    "timm:tf_mobilenetv3_large_100": ("mobilenet", {"version": "v3_large"}),
    "timm:tf_mobilenetv3_small_minimal_100": ("mobilenet", {"version": "v3_small", "minimalistic": True}),
}
"""The published networks, and our system and options for each."""


def ours(folder: Path, system: str, options: dict[str, Any], images: np.ndarray) -> np.ndarray:
    """What our network says with the weights of the folder."""
    kind: Any = catalog.system(f"classification/{system}")
    model = kind.Options(weights=str(folder / "model.safetensors"), initializer="zeros", **options)
    data = DataOptions(source="image_folder", size_px=images.shape[1], batch=1)
    recipe = Recipe(system=f"classification/{system}", model=model, loss=kind.Loss(), data=data)
    made = kind(recipe, DataInfo(tuple(map(str, range(CLASSES))), ((0, 0, 0),) * CLASSES, frozenset({"image", "label"})))
    made.networks = made.build()
    given = made.pretrained(folder)
    left = pretrained.put(made.networks, given)
    assert not left, f"not carried over: {left}"
    return np.asarray(made.net(images, training=False))


def measure(python: Path, work: Path, names: list[str]) -> dict[str, Any]:
    """All of the table."""
    rows: dict[str, Any] = {}
    script = Path(__file__).with_name("torch_weights_torch.py")
    for number, name in enumerate(names):
        subprocess.run([str(python), str(script), str(work), name], check=True)
        folder = (work / "0").rename(work / f"network{number}")
        images, right, transposed = (np.load(folder / f"{file}.npy") for file in ("images", "logits", "transposed"))
        system, options = NETWORKS[name]
        keras.backend.clear_session()
        found, scale = ours(folder, system, options, images), np.abs(right).max()
        rows[name] = {
            "system": system,
            "options": options,
            "largest difference over largest logit": float(f"{np.abs(found - right).max() / scale:.3g}"),
            "control, rows and columns exchanged": float(f"{np.abs(transposed - right).max() / scale:.3g}"),
        }
        (folder / "model.safetensors").unlink()
        print(name, rows[name], flush=True)
    return rows


def main() -> None:
    """Measures, prints, writes and judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", type=Path, required=True, help="Python with torch, torchvision, timm and safetensors")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NETWORK", help="some of the networks")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/torch_weights.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        rows = measure(arguments.original, Path(work), arguments.only)
    arguments.out.write_text(json.dumps({"tolerance": TOLERANCE, "networks": rows}, indent=1) + "\n")
    ported, control = ("largest difference over largest logit", "control, rows and columns exchanged")
    wrong = [name for name, row in rows.items() if row[ported] > TOLERANCE or row[control] < 100 * TOLERANCE]
    if wrong:
        raise SystemExit(f"differ, or the control does not: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
