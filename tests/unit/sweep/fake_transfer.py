"""Stands in for `kvision train` where a transfer curve is drawn: the error falls with the examples, and `optim.clip_norm` says how it ends."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from kvision import catalog
from kvision.engine.runfolder import write_json

CRASHES, WAITS = 13, 15
"""Values of `optim.clip_norm`: exit code 1; waits for SIGTERM, unless it is resumed."""


def main() -> None:
    recipe, *words = sys.argv[1:]
    run_dir = Path(words[words.index("--run-dir") + 1])
    run_dir.mkdir(parents=True, exist_ok=True)
    resolved = catalog.load(recipe, [word for word in words if "=" in word], "--smoke" in words)
    values, begun = resolved.values(), (run_dir / "resolved.json").exists()
    write_json(run_dir / "resolved.json", {"values": values})
    ending = values["optim"]["clip_norm"]
    if ending == CRASHES:
        sys.exit("RuntimeError: boom")
    if ending == WAITS and not begun:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        signal.pause()
    examples, seed = (values["data"]["per_class"] or 100) * 10, values["train"]["seed"]
    error = (1.0 if values["model"]["transfer"] == "none" else 0.5) / examples + 0.01 * seed
    write_json(run_dir / "data.json", {"num_train": examples})
    (run_dir / "metrics.csv").write_text(f"epoch,step,val/top1\n1,1,0.9999\n2,2,{1 - error}\n")
    write_json(run_dir / "summary.json", {"status": "finished"})
    (run_dir / "report.html").write_text("done")
    print(json.dumps({"batch": values["data"]["batch"]}))


if __name__ == "__main__":
    main()
