"""Batches that a tf.data service prepares: the same ones in the same order, whatever becomes of the workers."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys

import numpy as np
import pytest

from kvision.core.errors import DataError, UsageError
from kvision.core.schema import AugmentOptions
from kvision.data import service
from kvision.data.pipeline import Pipeline
from kvision.data.sources.digits import Digits
from kvision.data.sources.digits import Options as DigitOptions
from tests.unit.data.class_folders import source, write

OPTIONS = {"size_px": 16, "batch": 4, "augment": AugmentOptions(flip_x=0.5, resized_crop=0.5, colour=0.5)}


def pipeline(root, address=None):
    one = source(root, **OPTIONS)
    return Pipeline(one, one.options, frozenset({"label"}), 3, service=address)


def take(one, start, count):
    return list(itertools.islice(one.train(start).as_numpy_iterator(), count))


@contextlib.contextmanager
def serving(*words):
    command = [sys.executable, "-m", "kvision", "data", "serve", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("serving data at localhost:"), line
            yield process, line.split()[3]
        finally:
            process.kill()


def test_batches_come_in_order_once_though_some_are_late_lost_or_doubled(monkeypatch):
    monkeypatch.setattr(service, "WINDOW", 3)
    arriving = [
        (7, "7"),
        (5, "5"),
        (6, "6"),
        (5, "again"),
        (4, "too early"),
        (9, "9"),
        (10, "10"),
        (11, "11"),
        (12, "12"),
        (8, "too late"),
        (13, "13"),
    ]
    computed = []
    found = list(service.in_order(iter(arriving), 5, lambda number: computed.append(number) or f"{number} computed"))
    assert found == ["5", "6", "7", "8 computed", "9", "10", "11", "12", "13"]
    assert computed == [8]


@pytest.mark.slow
def test_served_batches_are_those_of_this_process_also_when_a_worker_is_killed(tmp_path):
    write(tmp_path / "set", 10)
    expected = take(pipeline(tmp_path / "set"), 2, 60)
    with serving("--port", "0", "--workers", "1") as (first, address), serving("--dispatcher", address, "--workers", "1") as (second, _):
        found = []
        for batch in pipeline(tmp_path / "set", address).train(2).as_numpy_iterator():
            found.append(batch)
            if len(found) == 10:
                second.kill()
            if len(found) == 60:
                break
        first.terminate()
        assert first.wait(30) == 0
    for number, (mine, theirs) in enumerate(zip(expected, found, strict=True)):
        assert mine.keys() == theirs.keys()
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name], err_msg=f"{number} {name}")


def test_what_can_not_be_served_is_told(tmp_path):
    one = Digits(DigitOptions(train_size=40, val_size=10), seed=0, base=tmp_path)
    with pytest.raises(DataError, match=r"--data-service: digits makes its examples in this process; a service reads files"):
        Pipeline(one, one.options, frozenset({"label"}), 0, service="localhost:1").train(0)
    write(tmp_path / "set", 4)
    for address in ("here", "host:port", "grpc://a:1"):
        with pytest.raises(UsageError, match=f"--data-service: '{address}' is no address; give HOST:PORT"):
            pipeline(tmp_path / "set", address).train(0)
