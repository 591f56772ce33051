"""How many steps go into one graph call, and how fast the training is. No TensorFlow here."""

from __future__ import annotations

from collections import deque

CALL_S = 0.7
"""Aim for a call of this many seconds: rare enough to cost nothing, short enough to answer Ctrl-C."""
WINDOW = 8
"""Calls that the speed shown is averaged over."""


class Pace:
    """Learns the time of a step from the calls made.

    The first call is left out of every figure: it builds the graph.

    Args:
        batch: Global batch size.
        steps_per_call: A fixed number of steps; none: chosen from the time of a step.
    """

    def __init__(self, batch: int, steps_per_call: int | None = None) -> None:
        self._batch = batch
        self._fixed = steps_per_call
        self._next = steps_per_call or 1
        self._calls = 0
        self._recent: deque[tuple[int, float, float]] = deque(maxlen=WINDOW)
        self._steps, self._seconds, self._waited_s = 0, 0.0, 0.0

    @property
    def steps_per_call(self) -> int:
        """Steps that the next call should make."""
        return self._next

    def record(self, steps: int, seconds: float, waited_s: float) -> None:
        """Takes note of a call.

        Args:
            steps: Steps that it made.
            seconds: Its wall time.
            waited_s: Of which it waited for data, by a clock that may have been set meanwhile.
        """
        waited_s = min(max(waited_s, 0.0), seconds)
        self._calls += 1
        if self._calls == 1:
            return
        self._recent.append((steps, seconds, waited_s))
        self._steps, self._seconds, self._waited_s = self._steps + steps, self._seconds + seconds, self._waited_s + waited_s
        if self._fixed is None:
            wanted = round(CALL_S * steps / max(seconds, 1e-9))
            self._next = max(1, min(wanted, 4 * self._next))  # grows in strides, for the first steps say little

    @property
    def step_s(self) -> float | None:
        """Seconds a step, lately; none before the second call."""
        steps, seconds, _ = self._sums()
        return seconds / steps if steps else None

    @property
    def images_per_s(self) -> float:
        """Training examples a second, lately; 0 before the second call."""
        steps, seconds, _ = self._sums()
        return steps * self._batch / seconds if seconds else 0.0

    @property
    def wait_share(self) -> float:
        """Share of the time spent waiting for data, lately."""
        _, seconds, waited_s = self._sums()
        return waited_s / seconds if seconds else 0.0

    @property
    def overall(self) -> tuple[float, float]:
        """Examples a second and share of waiting over all calls but the first."""
        if not self._seconds:
            return 0.0, 0.0
        return self._steps * self._batch / self._seconds, self._waited_s / self._seconds

    def _sums(self) -> tuple[int, float, float]:
        return sum(call[0] for call in self._recent), sum(call[1] for call in self._recent), sum(call[2] for call in self._recent)
