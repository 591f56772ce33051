"""The page of measured figures, written from benchmarks/results/*.json, which the benchmarks wrote; no figure is typed here."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.reference import Pages, table

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
ABOUT = """Each table is written from the file that the benchmark beside it wrote, on 2 cores of an x86-64 server with TensorFlow 2.21. What was
measured how, and what it means, is told in the README and in the chapters."""
PAGE = "reference/measured.md"


def pages() -> Pages:
    """The page of figures.

    Returns:
        Its Markdown by its path.
    """
    parts = [
        "# Measured",
        ABOUT,
    ]
    for heading, command, file, write in SECTIONS:
        parts += [f"## {heading}", f"`{command}`, `benchmarks/results/{file}`:", write(json.loads((RESULTS / file).read_text(encoding="utf-8")))]
    return {PAGE: "\n\n".join(parts) + "\n"}


def _latency(found: dict[str, Any]) -> str:
    """Median milliseconds with 1 and 2 threads, of the smallest model first."""
    engines = ("litert", "onnxruntime", "openvino")
    rows = []
    for model in found["threads"]["1"]:
        by_threads = [found["threads"][threads][model] for threads in ("1", "2")]
        cells = [" / ".join(f"{one[engine]['p50_ms']:.2f}" if engine in one else "–" for one in by_threads) for engine in engines]
        beside = [one.get("litert beside the best of the others") for one in by_threads]
        size = found["bytes"].get(f"{model}.tflite")
        rows.append([model, f"{size / 1e6:.2f} MB", *cells, " / ".join(f"{one:.2f}" if one else "–" for one in beside)])
    return "Milliseconds a picture (median), with 1 and with 2 threads.\n\n" + table(
        ["model", "file", "LiteRT", "onnxruntime", "OpenVINO", "LiteRT / best of the others"], rows
    )


def _outputs(found: dict[str, Any]) -> str:
    """How far each runtime's outputs lie from Keras', and what the metric becomes."""
    rows = [
        [model, engine, f"{one['largest difference']:g}", f"{one['miou']:.4f}" if "miou" in one else "–"]
        for model, engines in found["outputs"].items()
        for engine, one in engines.items()
    ]
    return table(["model", "runtime", "largest difference from Keras", "val mIoU"], rows)


def _qat(found: dict[str, Any]) -> str:
    names = ("seed", "float", "ptq int8", "qat int8", "longer ptq int8", "lost by ptq", "qat over ptq", "qat over longer ptq")
    rows = [[f"{one[name]:g}" for name in names] for one in found["val/miou, %"]]
    headings = [
        "seed",
        "float",
        "int8 after training",
        "`--qat` int8",
        "control: longer float training, then int8",
        "lost",
        "gained",
        "gained over control",
    ]
    return "Validation mIoU in per cent.\n\n" + table(headings, rows)


def _tried(found: dict[str, Any]) -> str:
    rows = [[one["net"], one["data"], *(_plain(one.get(name)) for name in ("float", "ptq int8", "lost by ptq"))] for one in found["tried"]]
    return found["about"] + "\n\n" + table(["network", "data", "float", "int8 after training", "lost"], rows)


def _pictures(found: dict[str, Any]) -> str:
    rows = [
        [
            name,
            f"{found['bytes'][name] / 1e6:.1f} MB" if name in found["bytes"] else "–",
            _plain(one["right of 8"]),
            _plain(one["largest difference of the logits"]),
        ]
        for name, one in found["results"].items()
    ]
    return table(["EfficientNet-Lite0, published weights", "file", "right of 8 pictures", "largest difference of the logits"], rows)


def _speed(found: dict[str, Any]) -> str:
    rows = [[name, f"{1000 * statistics.median(one['wall_s']):.0f}"] for name, one in found["seconds_a_step"].items()]
    ratios = [[name, f"{ratio:.2f}"] for name, ratio in found["ratios"].items()]
    return table(["training", "ms a step, median"], rows) + "\n" + table(["how many times as fast, median of pairs", "ratio"], ratios)


def _unet(found: list[dict[str, Any]]) -> str:
    rows = [[one["run"], *(_plain(one.get(name)) for name in ("val/miou", "val/pixel_accuracy", "training_s"))] for one in found]
    return table(["run", "val mIoU", "pixel accuracy", "training, s"], rows)


def _classical(found: list[dict[str, Any]]) -> str:
    return table(
        ["model", "val top-1", "test top-1", "s"], [[_plain(one[name]) for name in ("model", "val/top1", "test/top1", "seconds")] for one in found]
    )


def _agents(found: dict[str, Any]) -> str:
    rows = []
    for name, runs in found["runs"].items():
        speed = statistics.median(run["steps_a_second"] for run in runs)
        reached = [run["reached_s"] for run in runs if run["reached_s"] is not None]
        time = f"{statistics.median(reached):.1f} ({len(reached)} of {len(runs)} seeds)" if reached else "–"
        rows.append([name, f"{speed:,.0f}", time])
    return table(["training", "environment steps a second", "seconds to the mark"], rows)


def _weights(found: dict[str, Any]) -> str:
    rows = [
        [
            name,
            f"`{one['system']}`",
            ", ".join(f"{key}: {value}" for key, value in one["options"].items()),
            f"{one['largest difference over largest logit']:.1e}",
        ]
        for name, one in found["networks"].items()
    ]
    return table(["published network", "system", "options", "largest difference over largest logit"], rows)


def _serving(found: dict[str, Any]) -> str:
    names = ("requests", "lost_or_wrong", "per_s", "p50_ms", "p99_ms")
    rows = [[phase, *(_plain(one[name]) for name in names)] for phase, one in found.items() if isinstance(one, dict) and "requests" in one]
    return table(["phase", "requests", "lost or wrong", "a second", "median, ms", "99 %, ms"], rows)


def _plain(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


SECTIONS: list[tuple[str, str, str, Callable[[Any], str]]] = [
    ("Latency of exported files", "python benchmarks/inference.py", "inference.json", _latency),
    ("Exactness of exported files", "python benchmarks/inference.py", "inference.json", _outputs),
    ("Quantization-aware training", "python benchmarks/qat.py", "qat.json", _qat),
    ("What int8 costs depthwise networks", "python benchmarks/qat.py", "qat_tried.json", _tried),
    ("A published network on photos", "python benchmarks/imagenet_pictures.py", "imagenet_pictures.json", _pictures),
    ("U-Net on scenes", "python benchmarks/unet_evidence.py", "unet_evidence.json", _unet),
    ("Speed of training a U-Net", "python benchmarks/throughput.py", "throughput.json", _speed),
    ("Speed of training ResNet-18", "python benchmarks/throughput.py --task resnet18", "throughput_resnet18.json", _speed),
    ("Speed of PPO on CartPole", "python benchmarks/rl.py ppo", "rl_ppo.json", _agents),
    ("Speed of DQN on CartPole", "python benchmarks/rl.py dqn", "rl_dqn.json", _agents),
    ("Fashion-MNIST without a deep network", "python benchmarks/classical.py", "classical.json", _classical),
    ("Weights of PyTorch's networks", "python benchmarks/torch_weights.py", "torch_weights.json", _weights),
    ("The embedded server under load", "python benchmarks/serving.py", "serving.json", _serving),
]
