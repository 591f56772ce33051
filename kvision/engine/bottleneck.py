"""Where the time of a training goes: reading, decoding, augmenting, the way to the device, the step; and what more of which would help.

Each stage of the real pipeline is run up to its end, alone, and its cost is what it adds to the stage before it. Computing is told in seconds of a
core, as stages share the cores; what a stage waits, for a disk or a network, is told apart.
"""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import psutil
import tensorflow as tf

from kvision.data import cold
from kvision.engine.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.data.pipeline import Pipeline
    from kvision.engine.session import Session

WARM_UP = 2
WORDS = {
    "read": "reading files",
    "decode": "decoding",
    "augment": "augmenting and batching",
    "to device": "copying to the device",
    "step": "the step",
}
STAGES = tuple(WORDS)


@dataclass(frozen=True)
class Spent:
    """Time for one example, seconds.

    Attributes:
        wall_s: As the clock has it.
        cpu_s: Of all cores together.
    """

    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Report:
    """What one training example costs.

    Attributes:
        stages: Seconds of a core that each stage adds.
        reading_waits_s: Seconds that reading waits for the disk, with all that is read at once.
        input_s: Seconds of the clock for an example of the input pipeline alone.
        step_s: Seconds of the clock for an example of the step alone, on batches that are there already.
        whole: The training itself.
        cores: Cores of this machine.
        on_cpu: Whether the step computes on these cores too.
    """

    stages: dict[str, float]
    reading_waits_s: float
    input_s: float
    step_s: float
    whole: Spent
    cores: int
    on_cpu: bool

    @property
    def advice(self) -> str:
        """One sentence: what there should be more of."""
        heaviest = max(("read", "decode", "augment"), key=self.stages.__getitem__)
        faster = f"the step alone takes {self.step_s / self.whole.wall_s:.0%} of the time of an example, the input alone {self._input_share:.0%}"
        if self.reading_waits_s > max(self.step_s, self.input_s / 2):
            return f"{faster}: a faster disk, or `kvision data pack`, which reads few large files, helps most"
        if self.on_cpu and self.stages["step"] >= 0.5 * sum(self.stages.values()):
            return f"{faster}: a faster accelerator helps most, then more cores"
        if not self.on_cpu and self.step_s >= self.input_s:
            return f"{faster}: a faster accelerator helps most; the input keeps up with it"
        remedies = {
            "read": "a faster disk, or `kvision data pack`, helps most",
            "decode": "more cores help most; so do smaller pictures, data that fits into memory (data.cache), or `kvision data serve` elsewhere",
            "augment": "more cores help most; so do fewer changes in data.augment, or `kvision data serve` elsewhere",
        }
        return f"{faster}, most of it {WORDS[heaviest]}: {remedies[heaviest]}"

    @property
    def _input_share(self) -> float:
        return self.input_s / self.whole.wall_s


def measure(session: Session, seconds: float = 3.0, told: Callable[[str], None] = lambda stage: None) -> Report:
    """Runs the stages of a training one after another; its weights change.

    Args:
        session: Opened for training.
        seconds: How long each stage is measured.
        told: Is called with the name of each stage as it begins.

    Returns:
        What they cost.
    """
    pipeline, batch = session.pipeline, session.recipe.data.batch
    alone: dict[str, Spent] = {}
    for stage in ("read", "decode"):
        told(stage)
        cold.drop(pipeline.files_of_training())
        alone[stage] = _of_data(pipeline.until(stage).batch(batch) if stage == "read" else pipeline.until(stage).window(batch), batch, seconds)
    told("augment")
    batches = pipeline.train(0)
    alone["augment"] = _of_data(batches, batch, seconds)
    ready = next(iter(batches))
    told("to device")
    copied = _timed(lambda: _copy(ready, session.strategy.extended.worker_devices[0]), batch, seconds)
    told("step")
    step = _of_loop(dataclasses.replace(session, pipeline=cast("Pipeline", _Ready(pipeline, ready))), batch, seconds)
    told("the whole")
    whole = _of_loop(session, batch, seconds)
    read, decode, augment = (alone[stage].cpu_s for stage in ("read", "decode", "augment"))
    costs = (read, max(decode - read, 0.0), max(augment - decode, 0.0), copied.cpu_s, step.cpu_s)
    on_cpu = "CPU" in session.strategy.extended.worker_devices[0].upper()
    cores = len(os.sched_getaffinity(0))
    waits = max(alone["read"].wall_s - alone["read"].cpu_s / cores, 0.0)
    return Report(dict(zip(STAGES, costs, strict=True)), waits, alone["augment"].wall_s, step.wall_s, whole, cores, on_cpu)


class _Ready:
    """A pipeline whose training batches are there already: one, again and again."""

    def __init__(self, pipeline: Any, batch: dict[str, tf.Tensor]) -> None:
        self._pipeline, self._batch = pipeline, batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def train(self, start_step: int, context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
        """The batch, for as many replicas as there are."""
        del start_step
        parts = 1 if context is None else context.num_replicas_in_sync
        share = {name: value[: value.shape[0] // parts] for name, value in self._batch.items()}
        return tf.data.Dataset.from_tensors(share).repeat()


def _of_data(dataset: tf.data.Dataset, batch: int, seconds: float) -> Spent:
    """Going through a dataset of batches."""
    iterator = iter(dataset)
    return _timed(lambda: next(iterator), batch, seconds)


def _of_loop(session: Session, batch: int, seconds: float) -> Spent:
    """Training steps."""
    loop = Loop(session)

    def step() -> None:
        loop.train(int(session.for_training.step.numpy()) + 1)

    return _timed(step, batch, seconds)


def _copy(batch: dict[str, tf.Tensor], device: str) -> None:
    with tf.device(device):
        for value in batch.values():
            tf.identity(value)
    if "CPU" not in device.upper():
        tf.test.experimental.sync_devices()


def _timed(work: Callable[[], object], examples: int, seconds: float) -> Spent:
    """What `work` on so many examples takes for each of them, on average over some seconds and three calls at least."""
    for _ in range(WARM_UP):
        work()
    process, calls = psutil.Process(), 0
    before, began = process.cpu_times(), time.perf_counter()
    while calls < 3 or time.perf_counter() - began < seconds:
        work()
        calls += 1
    wall_s, after = time.perf_counter() - began, process.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    return Spent(wall_s / (calls * examples), cpu_s / (calls * examples))
