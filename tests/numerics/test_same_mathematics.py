"""However many devices and processes share a global batch, the loss of every step is the same, and so are the metrics."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from kvision.engine import strategy
from kvision.launch.local import free_addresses
from tests.numerics.same_mathematics import FAMILIES, losses

STEPS = 20


def run(workers: int, devices: str, *words: str) -> list[dict[str, Any]]:
    """What each worker says of each system."""
    command = [sys.executable, "-m", "tests.numerics.same_mathematics", "--devices", devices, *words]
    if workers == 1:
        commands = [command]
    else:
        addresses = ",".join(free_addresses(workers))
        commands = [[*command, "--workers", addresses, "--worker", str(number)] for number in range(workers)]
    processes = [subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for each in commands]
    try:
        said = [process.communicate(timeout=1800) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * workers, said
    return [{name: found for line in out.splitlines() for name, found in json.loads(line).items()} for out, _ in said]


def compare(found: dict[str, Any], expected: dict[str, Any], tolerance: float) -> None:
    for name, (curve, metrics) in expected.items():
        assert found[name][0] == pytest.approx(curve, rel=tolerance, abs=tolerance), name
        # After 20 steps a pixel that lies between two classes may fall to the other one: figures of whole classes say less than the loss.
        kept = [each for each in metrics if each == "loss" or len(curve) < STEPS]
        assert [found[name][1][each] for each in kept] == pytest.approx([metrics[each] for each in kept], rel=1e-3, abs=1e-5), name


def test_two_processes_do_what_one_does() -> None:
    name, overrides = "segmentation/unet", ["model.norm=batch", "data.val_size=5"]
    expected = {name: losses(name, overrides, 3, strategy.make("cpu"))}
    first, second = run(2, "cpu", "--systems", name, "--steps", "3", "--overrides", *overrides)
    assert first == second, "all workers must come to the same bits, for each of them decides by them"
    compare(first, expected, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "devices"), [(1, "cpu:2"), (2, "cpu"), (2, "cpu:2")])
def test_every_family(workers: int, devices: str, one: dict[str, Any]) -> None:
    for said in run(workers, devices):
        compare(said, one, 1e-5)


@pytest.fixture(scope="module")
def one() -> dict[str, Any]:
    (said,) = run(1, "cpu")
    assert all(len(curve) == STEPS for curve, _ in said.values())
    assert said.keys() == FAMILIES.keys()
    return said
