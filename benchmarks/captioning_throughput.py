"""Training throughput of the attention-LSTM decoder beside `keras.Model.fit` and PyTorch: 49x256 features, 512 units, 5,000 words, length 20.

    python benchmarks/captioning_throughput.py --torch-python /path/to/venv/bin/python --out benchmarks/results/captioning_throughput.json

All variants compute the same step on one batch of 32 in memory: `show_attend_tell`'s attention, LSTM and deep output under teacher forcing,
cross-entropy, backward, AdamW. Keras' is the way its guides show: a cell with attention in `keras.layers.RNN`, the output layer over all steps at
once. PyTorch's is a loop over the steps with the inputs' and the output's products outside of it, eager and compiled. Needs a quiet machine; the CPU
column says how quiet it was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from captioning_throughput_sizes import BATCH
from race import Worker, fastest, race, table

HERE = Path(__file__).parent
BASELINE = "keras fit fp32"


def main() -> None:
    """Runs the race, prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="Python of an environment with PyTorch; none: without PyTorch")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=4, help="steps of a block")
    parser.add_argument("--threads", type=int, help="threads of each worker; none: one a core; with 1, CPU time tells much even on a busy machine")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    options = parser.parse_args()
    if options.threads:
        os.environ["BENCHMARK_THREADS"] = str(options.threads)
    commands = [[sys.executable, str(HERE / "captioning_throughput_keras.py")]]
    if options.torch_python:
        commands.append([options.torch_python, str(HERE / "captioning_throughput_torch.py"), *(["--no-compile"] if options.no_compile else [])])
    workers = [Worker(command) for command in commands]
    results = race(workers, options.rounds, options.steps)
    for worker in workers:
        worker.close()
    print(table(results, BASELINE, BATCH))
    ratios = {}
    for precision in ("fp32", "bf16"):
        others = [name for name in results if name.endswith(precision) or f"{precision} compile" in name]
        for library in ("keras", "torch"):
            if best := fastest(results, [name for name in others if name.startswith(library)]):
                ratios[f"kvision {precision} / best of {library} ({best})"] = results[f"kvision {precision}"].faster_than(results[best])
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.2f}")
    if options.out:
        facts = {"batch": BATCH, "rounds": options.rounds, "steps": options.steps, "machine": platform.processor() or platform.machine()}
        seconds = {name: vars(result) for name, result in results.items()}
        options.out.write_text(json.dumps({**facts, "ratios": ratios, "seconds_a_step": seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
