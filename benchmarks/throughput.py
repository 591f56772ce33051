"""Training throughput beside `keras.Model.fit` and PyTorch: of a U-Net (32-64-128-256, 128x128x3, batch 16) or ResNet-18 (32x32x3, batch 128).

    python benchmarks/throughput.py --torch-python /path/to/venv/bin/python --preload /usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4
    python benchmarks/throughput.py --task resnet18 --steps 2 --torch-python ... --preload ...

All variants compute the same step on the same shapes from a batch in memory: forward, cross-entropy, backward, and the optimizer of kvision's
recipe, AdamW of the U-Net and SGD with Nesterov's momentum of ResNet-18. The baseline is plain `keras.Model.fit` in float32 on the same graph with
Keras' own layers where kvision has made its own; `fit bf16` is the same with Keras' mixed precision. Needs a quiet machine; the CPU column says how
quiet it was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from race import Worker, fastest, race, table
from throughput_tasks import TASKS

HERE = Path(__file__).parent
BASELINE = "keras fit fp32"


def main() -> None:
    """Runs the race, prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=list(TASKS), default="unet")
    parser.add_argument("--torch-python", help="Python of an environment with PyTorch; none: without PyTorch")
    parser.add_argument("--preload", action="append", default=[], help="allocator that both are also tried with, by LD_PRELOAD; may be repeated")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=4, help="steps of a block")
    parser.add_argument("--threads", type=int, help="threads of each worker; none: one a core; with 1, CPU time tells much even on a busy machine")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    options = parser.parse_args()
    if options.threads:
        os.environ["BENCHMARK_THREADS"] = str(options.threads)
    commands = [[sys.executable, str(HERE / "throughput_kvision.py"), options.task]]
    if options.torch_python:
        commands.append([options.torch_python, str(HERE / "throughput_torch.py"), options.task, *(["--no-compile"] if options.no_compile else [])])
    workers = [Worker(command) for command in commands]
    for library in options.preload:
        workers += [Worker(command, {"LD_PRELOAD": library}, f" + {Path(library).name.split('.')[0][3:]}") for command in commands]
    results = race(workers, options.rounds, options.steps)
    for worker in workers:
        worker.close()
    batch = TASKS[options.task].batch
    print(table(results, BASELINE, batch))
    summary = {}
    for precision in ("fp32", "bf16"):
        ours = results[f"kvision {precision}"]
        for fit in dict.fromkeys((BASELINE, f"keras fit {precision}")):
            summary[f"kvision {precision} / {fit}"] = ours.faster_than(results[fit])
        if best := fastest(results, [name for name in results if name.startswith(f"torch {precision}")]):
            own = [name for name in results if name.startswith(f"kvision {precision}")]
            for mine in dict.fromkeys((own[0], fastest(results, own))):
                summary[f"{mine} / best of PyTorch ({best})"] = results[mine].faster_than(results[best])
    for name, ratio in summary.items():
        print(f"{name}: {ratio:.2f}")
    if options.out:
        sizes = {"task": options.task, "batch": batch, "rounds": options.rounds, "steps": options.steps}
        facts = {**sizes, "machine": platform.processor() or platform.machine()}
        seconds = {name: vars(result) for name, result in results.items()}
        options.out.write_text(json.dumps({**facts, "ratios": summary, "seconds_a_step": seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
