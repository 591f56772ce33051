"""Stands in for `kvision train` where many are trained: seed 0 comes to 0.9, each further one to 0.02 less; `optim.clip_norm=13` crashes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kvision import catalog
from kvision.engine.runfolder import write_json


def main() -> None:
    recipe, *words = sys.argv[1:]
    run_dir, precision = (Path(words[words.index(option) + 1]) for option in ("--run-dir", "--precision"))
    values = catalog.load(recipe, [word for word in words if "=" in word]).values()
    if values["optim"]["clip_norm"] == 13:
        sys.exit("RuntimeError: boom")
    make(run_dir, values, str(precision))


def make(run_dir: Path, values: dict, precision: str = "fp32", *, status: str = "finished", **environment) -> Path:
    """A run folder with all that a receipt is made of; the best of its two epochs is the second."""
    run_dir.mkdir(parents=True)
    value = 0.9 - 0.02 * values["train"]["seed"]
    facts = {"precision": precision, "cpu": "a CPU", "cores": 2, "devices": ["cpu:0"], "started": "2026-01-02T03:04:05+00:00"}
    write_json(run_dir / "resolved.json", {"values": values})
    write_json(run_dir / "environment.json", facts | {"versions": {"keras": "3.15.1"}, "git": {"commit": "abc", "changed_files": 0}} | environment)
    write_json(run_dir / "data.json", {"fingerprint": "f00d"})
    (run_dir / "metrics.csv").write_text(f"epoch,step,val/top1,val/ece\n1,5,0.5,0.1\n2,10,{value},nan\n")
    events = [
        {"event": "started", "monitor": "val/top1", "mode": "max"},
        *({"event": "epoch_ended", "epoch": each, "seconds": 20.25} for each in (1, 2)),
    ]
    (run_dir / "events.jsonl").write_text("\n".join(map(json.dumps, events)) + "\n")
    best = {"epoch": 2, "step": 10, "val/top1": value, "val/ece": None}
    write_json(run_dir / "summary.json", {"status": status, "steps": 10, "best": best})
    (run_dir / "report.html").write_text("done")
    return run_dir


if __name__ == "__main__":
    main()
