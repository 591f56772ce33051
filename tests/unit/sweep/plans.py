"""Sweeps of the shipped U-Net with a fake trainer, for tests."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

from kvision.sweep import space
from kvision.sweep.plan import Plan
from kvision.sweep.progress import Progress
from kvision.sweep.study import Study
from kvision.sweep.worker import Worker

TRAIN = (sys.executable, str(Path(__file__).with_name("fake_trainer.py")))


def plan(folder, *texts, recipe="unet", **options):
    searched = space.read(texts)
    return Plan(recipe, space.check(recipe, searched), searched, folder, "val/miou", "max", **{"train": TRAIN, "prune": "none", **options})


class Listener(Progress):
    """Keeps what it is told, and can ask the worker to stop."""

    def __init__(self, stop_after=None):
        super().__init__("val/miou", 0)
        self.lines, self.trials, self.stop, self._stop_after = [], [], SimpleNamespace(signal=None), stop_after

    def epoch(self, number, epoch, value):
        if (number, epoch) == self._stop_after:
            self.stop.signal = 2

    def ended(self, trial, **facts):
        self.trials.append(trial)

    def say(self, line, style=""):
        self.lines.append(line)


def run(made, stop_after=None):
    """Works on a sweep until it is done or stopped; the study and what the listener was told."""
    made.folder.mkdir(exist_ok=True)
    study, listener = Study(made), Listener(stop_after)
    Worker(made, study, listener, listener.stop).run()
    return study, listener
