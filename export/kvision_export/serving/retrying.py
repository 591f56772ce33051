"""When a request to a server is sent again, and when not.

Everything that a client asks (status, metadata, prediction) leaves the server as it was, so a request may be sent twice without harm. It is sent
again where that can help: the connection was refused or broke, the server was not ready (503), or had too much to do (429). It is not sent again
where the answer would be the same (other errors), or where the time is up.
"""

from __future__ import annotations

import itertools
import random
import time
from typing import TYPE_CHECKING, TypeVar

from kvision.core.errors import KvisionError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0


class ClientError(KvisionError):
    """A server that can't be reached, or that does not answer as it should."""


class RefusedError(ClientError):
    """The server refuses what was sent: sending the same again would be refused again."""


class Again(Exception):  # noqa: N818 - a signal between a transport and `persist`, which no caller sees
    """The request may be sent again.

    Args:
        reason: Why it failed.
        after_s: When to send it, as the server wishes; none: it did not say.
    """

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


def persist(send: Callable[[float], T], *, timeout_s: float, retries: int, sleep: Callable[[float], None] = time.sleep) -> T:
    """Sends a request, and again after `Again`, with growing random pauses.

    Args:
        send: Sends it once; gets the seconds left.
        timeout_s: For all attempts and pauses together.
        retries: Attempts after the first.
        sleep: For tests.

    Returns:
        What `send` returns.

    Raises:
        ClientError: If the last attempt failed, too, or the time does not suffice for another.
    """
    end = time.monotonic() + timeout_s
    for attempt in itertools.count():
        try:
            return send(max(end - time.monotonic(), 0.001))
        except Again as again:
            wished = again.after_s if again.after_s is not None else _pause_s(attempt)
            if attempt >= retries or time.monotonic() + wished >= end:
                tried = "1 attempt" if attempt == 0 else f"{attempt + 1} attempts"
                raise ClientError(f"{again}; gave up after {tried} (retries={retries}, timeout {timeout_s:g} s)") from again
            sleep(wished)
    raise AssertionError("unreachable")


def _pause_s(attempt: int) -> float:
    """Doubles with each attempt; half of it is random, so that many clients do not come back at once."""
    longest: float = min(FIRST_PAUSE_S * 2.0**attempt, LONGEST_PAUSE_S)
    return longest * (0.5 + 0.5 * random.random())
