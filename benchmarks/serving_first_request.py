"""The first request after a model is loaded against the steady ones, with the warm-up requests that TF Serving replays and without them.

    python benchmarks/serving_first_request.py runs/unet [--out results/serving_first_request.json]

The run is published; then fresh processes load the SavedModel through TensorFlow's C API, as TF Serving does, with and without replaying
`assets.extra/tf_serving_warmup_requests`, and send pictures that are not among the warm-up requests.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "export"), str(ROOT / "edge")]

CASES = ((64, 1), (64, 16), (640, 1), (640, 16))
"""Side of the pictures, pixels, and how many a request holds."""
STEADY = 30
WANTED = 3.0
"""The first request may take so many times the steady one."""


def measure(model: Path, side: int, batch: int, *, warm: bool) -> dict[str, float]:
    """Loads the model in this process; milliseconds of the first request and of the later ones."""
    import numpy as np
    from PIL import Image

    from kvision_export.saved_model import native, warmup

    pixels = np.random.default_rng(0).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG")
    request = {"image_bytes": [file.getvalue()] * batch}
    requests = warmup.read(model) if warm else []

    def timed(work: Any) -> float:
        start = time.perf_counter()
        work()
        return 1000 * (time.perf_counter() - start)

    opened: list[native.Native] = []
    load = timed(lambda: opened.append(native.Native(model)))
    replay = timed(lambda: [opened[0].run(each.inputs, each.signature) for each in requests])
    first = timed(lambda: opened[0].run(request))
    steady = statistics.median(timed(lambda: opened[0].run(request)) for _ in range(STEADY))
    return {"load_ms": load, "replay_ms": replay, "first_ms": first, "steady_ms": steady, "ratio": first / steady}


def main() -> int:
    """Publishes the run, measures in child processes, prints a table; 1 if a first request is too slow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        side, batch, warm = map(int, given.child)
        print(json.dumps(measure(given.run, side, batch, warm=bool(warm))))
        return 0
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = published(given.run, Path(folder))
        for warm in (False, True):
            for side, batch in CASES:
                child = [sys.executable, __file__, str(model), "--child", str(side), str(batch), str(int(warm))]
                environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
                done = subprocess.run(child, check=True, capture_output=True, text=True, env=environment)
                rows.append({"warm": warm, "side_px": side, "batch": batch, **json.loads(done.stdout.splitlines()[-1])})
                print("  ".join(f"{key} {round(value, 1)}" for key, value in rows[-1].items()), flush=True)
    if given.out:
        given.out.write_text(json.dumps({"load_average": os.getloadavg()[0], "rows": rows}, indent=1) + "\n")
    return int(any(row["warm"] and row["ratio"] > WANTED for row in rows))


def published(run: Path, parent: Path) -> Path:
    """The run as a SavedModel with its warm-up requests."""
    from kvision.commands import export
    from kvision_export.saved_model import publish

    return publish.publish(export.open_subject(run), parent)


if __name__ == "__main__":
    sys.exit(main())
