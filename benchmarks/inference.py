"""Speed of exported networks on LiteRT beside onnxruntime and OpenVINO: two U-Nets and MobileNetV2, float32 and full int8, 1 and 2 threads.

    python benchmarks/inference.py --peers /path/to/venv/bin/python --run runs/unet --out benchmarks/results/inference.json

The other environment has onnxruntime, openvino and tf2onnx. Every model is made anew: our files by `kvision_export.tflite.convert`, theirs by
tf2onnx and onnxruntime's static quantization (QDQ, per channel) on the same images. Runtimes run by turns, in bursts of 25 ms, each in a process of
its own, and ratios are medians over pairs of bursts that followed each other, so that they hold on a busy machine too. All take the same inputs,
outputs are compared, and with a trained run the mIoU of each is measured on its validation set. `openvino-avx512` is OpenVINO kept from the CPU's
matrix tiles (AMX), which most CPUs lack; `litert` on `-int8-kept` is our file as it was before transposed convolutions were replaced. OpenVINO with
2 threads needs a quiet machine: pinned to cores that others use it waits, and unpinned it does not use the second.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import inference_models
import inference_profile
import numpy as np
from race import Worker

HERE = Path(__file__).parent
BURST_S = 0.025
COMPARED = 8
"""Images on which outputs are compared."""
OURS = "litert"
PEERS = ("onnxruntime", "openvino")
NO_TILES = "openvino-avx512"

Times = dict[str, dict[str, list[list[float]]]]
"""Seconds of each call of each burst, by model and runtime."""


class Timed(Worker):
    """A worker that gives the time of each call."""

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to one request."""
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._answer()


def workers(peers: str, threads: int, folder: Path) -> dict[str, Timed]:
    """A process for each runtime."""
    plain = [f"{name}-{kind}" for name in inference_models.NAMES for kind in ("fp32", "int8")]
    kept = sorted(each.stem for each in folder.glob(f"*{inference_models.KEPT}.tflite"))

    def started(python: str, runtime: str, names: list[str], **environment: str) -> Timed:
        return Timed([python, str(HERE / "inference_worker.py"), runtime, str(threads), str(folder), *names], environment)

    quantized = [name for name in plain if name.endswith("int8")]
    return {
        OURS: started(sys.executable, OURS, plain + kept),
        **{runtime: started(peers, runtime, plain) for runtime in PEERS},
        NO_TILES: started(peers, "openvino", quantized, ONEDNN_MAX_CPU_ISA="AVX512_CORE_VNNI"),
    }


def race(by_runtime: dict[str, Timed], rounds: int) -> Times:
    """Every model on every runtime in every round; the runtimes of one model follow each other."""
    models = by_runtime[OURS].variants
    times: Times = {model: {runtime: [] for runtime, worker in by_runtime.items() if model in worker.variants} for model in models}
    for number in range(rounds):
        for model, found in times.items():
            order = list(found)
            turn = number % len(order)
            for runtime in order[turn:] + order[:turn]:
                found[runtime].append(by_runtime[runtime].ask(model=model, seconds=BURST_S)["seconds"])
    return times


def ratio(one: list[list[float]], other: list[list[float]]) -> float:
    """Median over the rounds of how many times as long one takes as the other, each burst by its median."""
    return statistics.median(statistics.median(a) / statistics.median(b) for a, b in zip(one, other, strict=True))


def summary(times: Times) -> dict[str, Any]:
    """Milliseconds of every model on every runtime, and what they are to each other."""
    rows: dict[str, Any] = {}
    for model, found in times.items():
        row: dict[str, Any] = {}
        for runtime, bursts in found.items():
            p50, p90 = np.percentile(np.concatenate([np.asarray(burst) for burst in bursts]) * 1e3, [50, 90])
            row[runtime] = {
                "p50_ms": round(float(p50), 3),
                "p90_ms": round(float(p90), 3),
                "litert takes times": round(ratio(found[OURS], bursts), 3),
            }
        peers = {runtime: row[runtime]["litert takes times"] for runtime in PEERS if runtime in row}
        if peers:
            row["litert beside the best of the others"] = max(peers.values())
        exact = model.split("-")[0] + "-fp32"
        row["litert faster than its fp32"] = round(ratio(times[exact][OURS], found[OURS]), 2)
        rows[model] = row
    return rows


def agreement(by_runtime: dict[str, Timed], validation: dict[str, np.ndarray], folder: Path) -> dict[str, Any]:
    """Largest difference from onnxruntime's fp32 outputs as a share of their range, and mIoU, by model and runtime."""
    found: dict[str, Any] = {}
    for name in inference_models.NAMES:
        images = validation.get("images") if name == "unet64" else None
        inputs = folder / "inputs.npy"
        np.save(inputs, np.load(folder / f"{name}.npy")[:COMPARED] if images is None else images)
        exact = _outputs(by_runtime["onnxruntime"], f"{name}-fp32", inputs)
        for runtime, worker in by_runtime.items():
            for model in (each for each in worker.variants if each.split("-")[0] == name):
                made = _outputs(worker, model, inputs)
                row = {"largest difference": round(float(np.abs(made - exact).max() / np.ptp(exact)), 7)}
                if images is not None:
                    row["miou"] = round(inference_models.miou(made, validation["masks"]), 4)
                found.setdefault(model, {})[runtime] = row
    return found


def _outputs(worker: Timed, model: str, inputs: Path) -> np.ndarray:
    out = inputs.with_name("outputs.npy")
    worker.ask(model=model, inputs=str(inputs), outputs=str(out))
    return np.load(out)


def table(rows: dict[int, dict[str, Any]]) -> str:
    """In Markdown: medians in ms, and LiteRT beside the best."""
    runtimes = [OURS, *PEERS, NO_TILES]
    lines = [f"| model | threads | {' | '.join(runtimes)} | LiteRT / best peer | faster than fp32 |", "|---" * (len(runtimes) + 4) + "|"]
    for threads, models in rows.items():
        for model, row in models.items():
            cells = [str(row[runtime]["p50_ms"]) if runtime in row else "" for runtime in runtimes]
            last = f"{row.get('litert beside the best of the others', '')} | {row['litert faster than its fp32']}"
            lines.append(f"| {model} | {threads} | {' | '.join(cells)} | {last} |")
    return "\n".join(lines)


def main() -> None:
    """Makes the models, runs the race, prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", required=True, help="Python of an environment with onnxruntime, openvino and tf2onnx")
    parser.add_argument("--run", type=Path, help="a run of recipes/unet.yaml; none: random weights, no mIoU")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kvision-inference-") as name:
        folder = Path(name)
        validation = inference_models.make(options.run, options.peers, folder)
        sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.tflite"))}
        rows, agreed = {}, {}
        for threads in (1, 2):
            running = workers(options.peers, threads, folder)
            if threads == 1:
                agreed = agreement(running, validation, folder)
            rows[threads] = summary(race(running, options.rounds))
            for worker in running.values():
                worker.close()
        account = inference_profile.account(folder, options.peers)
    print(table(rows))
    print(inference_profile.table(account))
    share = {name: round(sizes[f"{name}-int8.tflite"] / sizes[f"{name}-fp32.tflite"], 4) for name in inference_models.NAMES}
    print(f"int8 file, of the fp32 file's bytes: {share}\noutputs: {json.dumps(agreed)}")
    if options.out:
        facts = {"rounds": options.rounds, "burst_s": BURST_S, "cores": os.cpu_count(), "load_at_the_end": os.getloadavg()[0]}
        made = {**facts, "bytes": sizes, "int8_of_fp32_bytes": share, "threads": rows, "outputs": agreed, "microseconds_by_operation": account}
        options.out.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
