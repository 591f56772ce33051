"""The child process that converts: `python -m kvision_export.tflite.worker FOLDER PARENT`.

`FOLDER` holds `job.json`, `saved_model/` and, for calibrated formats, `calibration.npz`. The files are made one after another; as soon as one is
made, or is known to be impossible, its answer `<format>.json` appears. So a crash or a hang loses nothing but the format at work. `PARENT` is the
process that asked; the child ends with it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvision.core import tether

if TYPE_CHECKING:
    from kvision_export.tflite.engines import Engines, Task

NO_ROOM = os.EX_IOERR
"""Exit code where an answer can't be written into the folder."""
JOB, MODEL, CALIBRATION = "job.json", "saved_model", "calibration.npz"


def answer_name(format_name: str) -> str:
    """The file in which the answer for a format appears."""
    return f"{format_name}.json"


def main(folder: Path) -> None:
    """Does the job that lies in a folder."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from kvision_export.tflite import engines

    tasks = [engines.Task(**{**each, "keep_float": tuple(each["keep_float"])}) for each in json.loads((folder / JOB).read_text())]
    made = engines.Engines(folder / MODEL, _samples(folder / CALIBRATION), batch=tasks[0].batch, allow_flex=tasks[0].allow_flex)
    for task in tasks:
        started = time.monotonic()
        answer = {**_do(task, made), "seconds": time.monotonic() - started}
        path = folder / answer_name(task.format)
        try:
            path.with_suffix(".tmp").write_text(json.dumps(answer))
            path.with_suffix(".tmp").replace(path)
        except OSError:
            sys.exit(NO_ROOM)


def _do(task: Task, maker: Engines) -> dict[str, Any]:
    """Makes one file and says what came of it; faults are part of the answer."""
    from kvision_export.tflite import buffers, engines

    try:
        made = maker.make(task)
        Path(task.out).write_bytes(buffers.compact(made.content))
    except engines.UnsupportedOpsError as error:
        return {"fault": "ops", "ops": error.ops, "allow_flex": task.allow_flex}
    except engines.RefusedError as error:
        return {"fault": "refused", "reason": str(error)}
    except MemoryError:
        return {"fault": "memory"}
    except OSError as error:
        return {"fault": "disk", "errno": error.errno, "reason": error.strerror or str(error)}
    except Exception as error:  # whatever the converters raise is told to the parent, which words it
        return {"fault": "converter", "reason": f"{type(error).__name__}: {error}"}
    return {"by": made.by, "notes": list(made.notes)}


def _samples(path: Path) -> dict[str, dict[str, Any]]:
    import numpy as np

    samples: dict[str, dict[str, Any]] = {}
    if path.is_file():
        with np.load(path) as file:
            for key in file.files:
                signature, name = key.split("|", 1)
                samples.setdefault(signature, {})[name] = file[key]
    return samples


if __name__ == "__main__":
    tether.to(int(sys.argv[2]))
    main(Path(sys.argv[1]))
