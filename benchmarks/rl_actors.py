"""What `model.actors` is worth: environment steps a second of DQN and SAC that play themselves, and that have processes play for them.

    python benchmarks/rl_actors.py --out benchmarks/results/rl_actors.json

Each run is a process of its own, which learns with the shipped recipe. The clock begins once the graph is traced and every actor has given its first
rollout, and stops after so many environment steps; processor seconds are of the learner alone. What counts is measured on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

CASES = {
    "DQN, Acrobot-v1": ("rl/dqn", ["data.id=Acrobot-v1", "model.n_step=1", "model.gradient_steps=32"]),
    "SAC, Pendulum-v1": ("rl/sac", ["data.envs=8", "data.batch=64", "model.gradient_steps=16", "model.learning_starts=1000"]),
}
ACTORS = (0, 1, 2)
WARM = 8
"""Engine steps before the clock begins: more than what lies ready in the queues."""


def measure(case: str, actors: int, steps: int, seed: int) -> dict[str, float]:
    """Trains, in this process."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from kvision import catalog
    from kvision.engine.loop import Loop
    from kvision.engine.session import open_session

    name, overrides = CASES[case]
    given = [*overrides, f"model.actors={actors}", f"train.seed={seed}", "train.epochs=1", f"data.steps={10 * steps}", "optim.schedule=constant"]
    found = catalog.load(name, given)
    session = open_session(found, catalog.system(found.recipe.system), catalog.source(found.recipe.data.source), devices="cpu")
    loop, batch = Loop(session), found.recipe.data.batch
    warm = WARM + -(-found.recipe.model.learning_starts // batch)  # type: ignore[attr-defined]
    loop.train(warm)
    began, processor = time.perf_counter(), time.process_time()
    call = loop.train(warm + steps // batch)
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    played = steps // batch * batch
    if actors:
        session.system.collector.close()  # type: ignore[attr-defined]
    return {"steps_a_second": played / seconds, "learner_cpu_s": processor, "lag": float(call.means.get("lag", 0.0))}


def main() -> None:
    """All cases, seeds in turn; prints a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=16_384, help="environment steps that are timed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    parser.add_argument("--one", nargs=3, metavar=("CASE", "ACTORS", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        case, actors, seed = options.one
        print(json.dumps(measure(case, int(actors), options.steps, int(seed))))
        return
    found: dict[str, dict[int, list[dict[str, float]]]] = {case: {actors: [] for actors in ACTORS} for case in CASES}
    for seed in range(options.seeds):
        for case, by_actors in found.items():
            for actors, runs in by_actors.items():
                command = [sys.executable, __file__, "--steps", str(options.steps), "--one", case, str(actors), str(seed)]
                runs.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1]))
                print(f"{case}, {actors} actors, seed {seed}: {runs[-1]['steps_a_second']:,.0f} steps/s", file=sys.stderr)
    for case, by_actors in found.items():
        medians = {actors: statistics.median(run["steps_a_second"] for run in runs) for actors, runs in by_actors.items()}
        print(case + ": " + ", ".join(f"{actors} actors {speed:,.0f} ({speed / medians[0]:.2f})" for actors, speed in medians.items()) + " steps/s")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
