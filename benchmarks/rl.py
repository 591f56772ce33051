"""Agents beside stable-baselines3 and a lean PyTorch loop: environment steps a second, and how soon CartPole-v1's pass mark is reached.

    python benchmarks/rl.py ppo --torch-python /path/to/venv/bin/python --out benchmarks/results/rl_ppo.json
    python benchmarks/rl.py dqn --torch-python /path/to/venv/bin/python --out benchmarks/results/rl_dqn.json

The environment of `--torch-python` needs `stable-baselines3==2.9.*` beside PyTorch. All have the same networks and settings (`rl_tasks.py`): those
of RL-Zoo3 for CartPole-v1, with eight environments; stable-baselines3 is shown also with its own defaults for PPO, and with one environment, as the
Zoo has it, for DQN. Each run is a process; the programs take turns, seed by seed, so that all see the same state of the machine. The clock begins
when networks and environments are made, and ours when its graph is traced: how long that takes stands apart (`start`). A run's `steps/s` is of acting
and learning together, over all its steps; `steps/CPU s` is by the CPU's clock, which tells much even on a busy machine. What counts is measured on a
quiet one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OURS, WORLD = "kvision", "kvision, world"
"""The second is the same agent in our own CartPole (`data.source: cart_pole`), whose rollouts are one XLA program."""
GATES = {
    "ppo": {
        "sb3": {"steps/s": 8.0, "time": 0.15},
        "sb3 defaults": {"steps/s": 8.0, "time": 0.15},
        "torch": {"steps/s": 2.0, "time": 0.5},
    },
    "dqn": {"sb3": {"steps/s": 2.0}, "sb3 one env": {"steps/s": 2.0}},
}
"""What is to be reached: at least so many times the steps a second, at most this share of the time."""

OTHER_SB3 = {"ppo": ("sb3 defaults", "ppo-defaults"), "dqn": ("sb3 one env", "dqn-one-env")}
"""What else stable-baselines3 is run with: its own defaults, and the one environment that the Zoo has for DQN."""


@dataclass
class Program:
    """One of those that take turns.

    Attributes:
        command: What is run, without its options.
        runs: What each run found, as `rl_tasks.Progress.facts` says it.
    """

    command: list[str]
    runs: list[dict[str, Any]] = field(default_factory=list)

    def run(self, options: list[str], threads: int) -> None:
        """One more run, in a process of its own."""
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run([*self.command, *options], env=environment, stdout=subprocess.PIPE, text=True, check=True)
        self.runs.append(json.loads(done.stdout.splitlines()[-1]))

    def of(self, key: str) -> list[float]:
        """One fact of all runs; of runs that never reached the pass mark, what tells of reaching it is infinite."""
        return [float("inf") if run[key] is None else float(run[key]) for run in self.runs]


def programs(task: str, torch_python: str | None) -> dict[str, Program]:
    """Those that have a version of the task."""
    found = {OURS: Program([sys.executable, str(HERE / "rl_kvision.py"), task])}
    if task == "ppo":
        found[WORLD] = Program([sys.executable, str(HERE / "rl_kvision.py"), task, "--world"])
    if torch_python:
        quiet = [torch_python, "-W", "ignore"]
        found["sb3"] = Program([*quiet, str(HERE / "rl_sb3.py"), task])
        if task in OTHER_SB3:
            name, other = OTHER_SB3[task]
            found[name] = Program([*quiet, str(HERE / "rl_sb3.py"), other])
        if task.startswith("ppo"):
            found["torch"] = Program([*quiet, str(HERE / "rl_torch.py"), task])
            found["torch batched"] = Program([*quiet, str(HERE / "rl_torch.py"), task, "--batched"])
    return found


def spread(values: list[float], digits: int = 1) -> str:
    """The median, with the least and the greatest."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def table(found: dict[str, Program]) -> str:
    """A line a program: medians over the seeds, with the least and the greatest."""
    lines = [f"{'':16}{'steps/s':>24}{'steps/CPU s':>24}{'reached':>9}{'steps until':>26}{'s until':>22}{'start s':>9}{'last 100':>24}"]
    for name, program in found.items():
        reached = sum(run["reached_s"] is not None for run in program.runs)
        lines.append(
            f"{name:16}{spread(program.of('steps_a_second'), 0):>24}{spread(program.of('steps_a_cpu_second'), 0):>24}"
            f"{f'{reached}/{len(program.runs)}':>9}{spread(program.of('reached_steps'), 0):>26}{spread(program.of('reached_s'), 2):>22}"
            f"{statistics.median(program.of('prepare_s')):>9.1f}{spread(program.of('returned')):>24}"
        )
    return "\n".join(lines)


def ratios(found: dict[str, Program], own_name: str, task: str) -> dict[str, dict[str, Any]]:
    """One of ours over each other one: steps a second paired by seed, for these ran side by side; times by medians, for luck is not paired."""
    ours, told = found[own_name], {}
    for name, other in found.items():
        if name in (OURS, WORLD):
            continue
        paired, by_cpu = ([a / b for a, b in zip(ours.of(key), other.of(key), strict=True)] for key in ("steps_a_second", "steps_a_cpu_second"))
        own, theirs = statistics.median(ours.of("reached_s")), statistics.median(other.of("reached_s"))
        started = own + statistics.median(ours.of("prepare_s")), theirs + statistics.median(other.of("prepare_s"))
        told[name] = {
            "steps/s": statistics.median(paired),
            "steps/s of each seed": paired,
            "steps/CPU s": statistics.median(by_cpu),
            "time": own / theirs if own < float("inf") else None,
            "time with start": started[0] / started[1] if own < float("inf") else None,
            "gate": GATES.get(task, {}).get(name),
        }
    return told


def main() -> None:
    """Runs all programs on all seeds, prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["ppo", "ppo-defaults", "dqn"])
    parser.add_argument("--torch-python", help="Python of an environment with PyTorch and stable-baselines3; none: ours alone")
    parser.add_argument("--only", nargs="+", help="names of the programs to run; none: all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100_000, help="environment steps of a run")
    parser.add_argument("--threads", type=int, default=1, help="threads of each; these networks are too small for more to help")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    options = parser.parse_args()
    found = {name: each for name, each in programs(options.task, options.torch_python).items() if not options.only or name in options.only}
    for seed in range(1, options.seeds + 1):
        order = list(found)
        for name in order[seed % len(order) :] + order[: seed % len(order)]:
            found[name].run(["--seed", str(seed), "--steps", str(options.steps), "--threads", str(options.threads)], options.threads)
            print(f"seed {seed}, {name}: {found[name].runs[-1]['steps_a_second']:,.0f} steps/s", file=sys.stderr)
    print(table(found))
    told = {own: ratios(found, own, options.task) for own in (OURS, WORLD) if own in found}
    for own, others in told.items():
        for name, each in others.items():
            time = "never reached" if each["time"] is None else f"{each['time']:.2f} of the time ({each['time with start']:.2f} with start)"
            steps = f"{spread(each['steps/s of each seed'])} times the steps/s ({each['steps/CPU s']:.1f} by the CPU's clock)"
            print(f"{own} / {name}: {steps}, {time}; to reach: {each['gate'] or 'nothing'}")
    if options.out:
        facts = {"task": options.task, "steps": options.steps, "threads": options.threads, "machine": platform.processor() or platform.machine()}
        runs = {name: [{key: run[key] for key in run if key != "curve"} for run in program.runs] for name, program in found.items()}
        options.out.write_text(json.dumps({**facts, "ratios": told, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
