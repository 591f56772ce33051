"""Converts a subject to LiteRT files, each proven to hold nothing that a device can't run.

The converters run in a child process: they can crash (static int8 of a rolled Keras LSTM is a segmentation fault), hang or eat all memory, and
must not take the export with them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
import tensorflow as tf

from kvision.core import words
from kvision_export.errors import ExportError
from kvision_export.tflite import faults, flatbuffer, freeze, runtimes, worker
from kvision_export.tflite.engines import Task

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from kvision_export.formats import Format
    from kvision_export.tflite.calibration import Calibration

_POLL_S = 0.05
_START_S = 60.0
"""What a child may take longer than the time limit: it has to import TensorFlow first."""
_LAST_WORDS = ("Error", "error:", "Check failed", "bad_alloc", "terminate called", "Assertion")
"""Lines of a dying child's log that may tell why."""
_MAIN = ("-m", "kvision_export.tflite.worker")


@dataclass(frozen=True)
class Converted:
    """A file that was made.

    Attributes:
        path: The file.
        seconds: Time that the conversion took in the child.
        converter: Which of the two converters made it.
        notes: What a person should know of it, a sentence each.
    """

    path: Path
    seconds: float
    converter: str
    notes: tuple[str, ...] = ()


class Options(TypedDict, total=False):
    """How to convert; see `convert_many`."""

    calibration: Calibration | None
    batch: int | None
    runtime: str
    allow_flex: bool
    timeout_s: float
    keep_float: Collection[str]
    trained_ranges: bool


def convert(subject: freeze.Networks, form: Format, out: Path, **options: Unpack[Options]) -> Converted:
    """Makes one LiteRT file.

    Args:
        subject: What is exported.
        form: The format.
        out: The file to write; its folder exists.
        **options: As for `convert_many`.

    Returns:
        What was made.

    Raises:
        ExportError: If the file can't be made, or what was made would not run or would compute wrongly; says what to do.
    """
    made = convert_many(subject, {form: out}, **options)[form]
    if isinstance(made, ExportError):
        raise made
    return made


def convert_many(
    subject: freeze.Networks,
    outs: Mapping[Format, Path],
    *,
    calibration: Calibration | None = None,
    batch: int | None = 1,
    runtime: str = "litert2",
    allow_flex: bool = False,
    timeout_s: float = 600,
    keep_float: Collection[str] = (),
    trained_ranges: bool = False,
) -> dict[Format, Converted | ExportError]:
    """Makes several files of one subject in one child; where that dies, the rest is made in a new one.

    Args:
        subject: What is exported.
        outs: The file to write, by format.
        calibration: Needed by the formats that are `calibrated`.
        batch: Size of the first dimension; none: any.
        runtime: Oldest runtime that must run the files: `2.14`, `2.17` or `litert2`.
        allow_flex: Whether ops of TensorFlow itself may stay in a file; such a file needs the Flex delegate.
        timeout_s: Time limit of each format.
        keep_float: Names of output tensors, as in the float file, of the ops that are to stay in float.
        trained_ranges: Whether the networks carry their ranges (quantization-aware training), so that nothing is calibrated.

    Returns:
        By format what was made, or why it could not be.

    Raises:
        ExportError: If the networks can't be handed to the child.
    """
    found: dict[Format, Converted | ExportError] = {}
    tasks: dict[Format, Task] = {}
    for each, out in outs.items():
        refusal = runtimes.refusal(each, runtime)
        if refusal is None and each.calibrated and calibration is None and not trained_ranges:
            refusal = f"{each.name} is calibrated on training examples; give a calibration"
        if refusal is None and each.calibrated and calibration is not None and not trained_ranges and calibration.fewest < (batch or 1):
            count = words.counted(calibration.fewest, "calibration example")
            refusal = f"{each.name}: {count} do not fill a batch of {batch}; give --calibration {batch} or more, or a smaller --batch"
        if refusal is None:
            tasks[each] = Task(each.name, str(out), runtime, allow_flex, tuple(keep_float), trained_ranges, batch)
        else:
            found[each] = ExportError(refusal)
    if tasks:
        with _workshop() as folder:
            freeze.save(subject, folder / worker.MODEL, batch)
            if calibration is not None:
                arrays = {f"{key}|{name}": each for key, part in calibration.inputs.items() for name, each in part.items()}
                np.savez(folder / worker.CALIBRATION, **arrays)  # type: ignore[arg-type]
            answers = _run(folder, list(tasks.values()), timeout_s)
        for each, task in tasks.items():
            found[each] = _judged(each, task, answers[each.name], calibration)
    return {each: found[each] for each in outs}


@contextlib.contextmanager
def _workshop() -> Iterator[Path]:
    """A temporary folder for what the child is given and answers; where there is no room for it, that is said, whatever wrote there."""
    where = os.environ.get("TMPDIR", "/tmp")  # noqa: S108 - where the operating system puts temporary files, for the message alone
    try:
        with tempfile.TemporaryDirectory(prefix="kvision-convert-") as where:
            yield Path(where)
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error.message).rpartition("; ")[2]
        raise ExportError(faults.no_room(where, reason)) from error


def _run(folder: Path, tasks: Sequence[Task], timeout_s: float) -> dict[str, dict[str, Any]]:
    """Children one after another until there is an answer for every task."""
    answers: dict[str, dict[str, Any]] = {}
    waiting = list(tasks)
    while waiting:
        (folder / worker.JOB).write_text(json.dumps([dataclasses.asdict(each) for each in waiting]))
        fault = _child(folder, waiting, timeout_s)
        done = [each for each in waiting if (folder / worker.answer_name(each.format)).is_file()]
        answers |= {each.format: json.loads((folder / worker.answer_name(each.format)).read_text()) for each in done}
        waiting = [each for each in waiting if each not in done]
        if waiting:
            answers[waiting[0].format] = fault
            waiting = waiting[1:]
    return answers


def _child(folder: Path, tasks: Sequence[Task], timeout_s: float) -> dict[str, Any]:
    """One child, watched until it ends; what kept it from doing all, if anything did."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TF_CPP_MIN_LOG_LEVEL": "3"}
    log = folder / "log.txt"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, *_MAIN, str(folder), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    try:
        deadline, made = time.monotonic() + timeout_s + _START_S, 0
        while child.poll() is None:
            count = sum((folder / worker.answer_name(each.format)).is_file() for each in tasks)
            if count > made:
                deadline, made = time.monotonic() + timeout_s, count
            if time.monotonic() > deadline:
                return {"fault": "hang", "timeout_s": timeout_s}
            time.sleep(_POLL_S)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if child.returncode == worker.NO_ROOM:
        return {"fault": "room", "folder": str(folder)}
    said = [line for line in log.read_text(errors="replace").splitlines() if any(mark in line for mark in _LAST_WORDS)]
    return {"fault": "crash", "code": child.returncode, "log": said[-1].strip() if said else ""}


def _judged(form: Format, task: Task, answer: Mapping[str, Any], calibration: Calibration | None) -> Converted | ExportError:
    """The file as it was made, or why it must not be used."""
    if "fault" in answer:
        return ExportError(faults.message(form.name, answer))
    path, notes = Path(task.out), list(answer["notes"])
    facts = flatbuffer.inspect(path)
    try:
        problem = runtimes.problem(facts, form, task.runtime, allow_flex=task.allow_flex, keep_float=task.keep_float)
        if problem is not None:
            raise ExportError(problem)
        if task.runtime != "litert2" and not facts.flex_ops:
            inputs = {key: {name: each[:1] for name, each in part.items()} for key, part in calibration.inputs.items()} if calibration else None
            notes.append(runtimes.prove(path, facts, form, task.runtime, inputs))
    except ExportError as error:
        path.unlink()
        return error
    notes += runtimes.remarks(facts, form)
    return Converted(path, answer["seconds"], answer["by"], tuple(notes))
