"""`kvision predict` of an agent: plays episodes, as films and as a JSON file."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

from kvision.commands import pictures, trained
from kvision.commands.predict import PREDICTIONS, write_one
from kvision.core import progress, words
from kvision.core.disk import writing
from kvision.core.errors import UsageError
from kvision.engine import film

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EPISODES = 3


def run(
    found: trained.Trained,
    inputs: Sequence[str],
    *,
    episodes: int | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    devices: str = "auto",
    precision: str | None = None,
    json_lines: bool = False,
) -> None:
    """Plays: for each episode a film (GIF, and MP4 where imageio-ffmpeg is installed) and a strip of its frames; for all of them predictions.json.

    Args:
        found: The agent.
        inputs: What the user gave beside it; must be nothing.
        episodes: How many; none: `EPISODES`.
        seed: Of the first one, those that follow have the numbers that follow; none: 0.
        out: Where to write, a new or an empty folder; none: `predictions/<n>` in the run folder.
        devices: As `--devices`.
        precision: `fp32`, `bf16` or `fp16`; none: as the run was trained.
        json_lines: One JSON object an episode on the standard output.

    Raises:
        UsageError: If there are inputs, or the environment can't be drawn here.
        RunError: If the run can't be used, or `out` holds files.
    """
    if inputs:
        raise UsageError(f"{inputs[0]}: an agent plays in its environment and takes no files; say --episodes and --seed")
    count, first = episodes or EPISODES, seed or 0
    folder = pictures.fresh(out, found.home / "predictions")
    session = trained.open_session(found, devices=devices, precision=precision)
    entries: list[dict[str, Any]] = []
    with writing(folder, "the films", "--out"), progress.Count("playing", count) as counter:
        for number in range(first, first + count):
            made = session.system.play(number)
            folder.mkdir(parents=True, exist_ok=True)
            entries.append(write_one(made, folder, f"seed-{number}"))
            if json_lines:
                print(json.dumps(entries[-1]), flush=True)
            counter.at(len(entries))
        facts = {"run": str(found.run), "weights": str(found.origin), "kind": found.kind, "episodes": entries}
        (folder / PREDICTIONS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    if not json_lines:
        for entry in entries:
            print(f"seed {entry['seed']}: return {entry['return']:.6g}, {words.counted(entry['length'], 'step')}, {entry['end']}")
        mean = statistics.mean(entry["return"] for entry in entries)
        print(f"{words.counted(count, 'episode')}, mean return {mean:.6g}: {folder}")
        if not film.has_mp4():
            print("films are GIFs; with `pip install imageio-ffmpeg` they are written as MP4, too")
