"""Which signals ask a training to save and stop, and what is left of them afterwards."""

from __future__ import annotations

import os
import pty
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from kvision.engine.signals import CAUGHT, StopRequest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Every signal's handler as it was."""
    before = {number: signal.getsignal(number) for number in CAUGHT}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", CAUGHT)
def test_the_first_one_asks_and_the_second_is_the_kernel_s(number: signal.Signals) -> None:
    with StopRequest() as stop:
        assert (stop.signal, stop.name) == (None, "stopped")
        os.kill(os.getpid(), number)
        assert (stop.signal, stop.name) == (number, number.name)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert all(getattr(signal.getsignal(each), "__self__", None) is not stop for each in CAUGHT)


def test_a_closed_terminal_is_told_twice_and_nothing_more_is_written_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, keyboard = pty.openpty()
    with os.fdopen(keyboard, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with StopRequest():
            os.close(screen)
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGHUP)
            print("saved", file=terminal, flush=True)  # else an OSError


def test_what_is_ignored_stays_so_as_under_nohup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.signal is None
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
