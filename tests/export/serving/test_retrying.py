"""When a request is sent again."""

from __future__ import annotations

import pytest

from kvision_export.serving import retrying
from kvision_export.serving.retrying import Again, ClientError


class Sender:
    """Fails a number of times; remembers the time it was given and the pauses."""

    def __init__(self, failures: int, after_s: float | None = None) -> None:
        self.failures, self.after_s = failures, after_s
        self.given: list[float] = []
        self.pauses: list[float] = []

    def send(self, left_s: float) -> str:
        self.given.append(left_s)
        if len(self.given) <= self.failures:
            raise Again("too busy", self.after_s)
        return "done"

    def persist(self, retries: int = 5, timeout_s: float = 60.0) -> str:
        return retrying.persist(self.send, timeout_s=timeout_s, retries=retries, sleep=self.pauses.append)


def test_pauses_grow_and_are_bounded() -> None:
    sender = Sender(8)
    assert sender.persist(retries=8) == "done"
    for attempt, pause in enumerate(sender.pauses):
        assert min(0.1 * 2**attempt, 5.0) / 2 <= pause <= min(0.1 * 2**attempt, 5.0)
    assert len(sender.given) == 9


def test_the_last_failure_is_told_with_the_number_of_attempts() -> None:
    with pytest.raises(ClientError, match=r"too busy; gave up after 3 attempts \(retries=2, timeout 60 s\)"):
        Sender(9).persist(retries=2)
    with pytest.raises(ClientError, match="after 1 attempt "):
        Sender(9).persist(retries=0)


def test_a_pause_that_the_server_wishes_is_kept() -> None:
    sender = Sender(1, after_s=2.5)
    assert sender.persist() == "done"
    assert sender.pauses == [2.5]


def test_no_pause_is_begun_that_the_time_does_not_allow() -> None:
    sender = Sender(1, after_s=61.0)
    with pytest.raises(ClientError, match="gave up after 1 attempt"):
        sender.persist(timeout_s=60.0)
    assert sender.pauses == []


def test_what_is_final_is_not_tried_again() -> None:
    def fail(left_s: float) -> str:
        tries.append(left_s)
        raise ClientError("no such model")

    tries: list[float] = []
    with pytest.raises(ClientError, match="no such model"):
        retrying.persist(fail, timeout_s=1.0, retries=9)
    assert len(tries) == 1
    assert 0.9 < tries[0] <= 1.0
