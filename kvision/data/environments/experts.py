"""Policies written by hand, which play well enough to be imitated; no person and no trained agent stands behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def cart_pole(observation: np.ndarray) -> np.ndarray:
    """Pushes the cart to the side to which the pole falls: a linear controller of position, speed, angle and angular speed.

    Args:
        observation: float32 `[N, 4]`.

    Returns:
        int32 `[N]`, 0 left and 1 right; it balances the pole for all 500 steps.
    """
    return (observation @ np.array([0.05, 0.1, 1.0, 0.5]) > 0).astype(np.int32)


SCRIPTED: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"CartPole-v1": cart_pole}


def scripted(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """The policy for an environment.

    Args:
        name: Its id.

    Returns:
        From observations `[N, ...]` to actions `[N, ...]`.

    Raises:
        UsageError: If there is none.
    """
    if name not in SCRIPTED:
        raise UsageError(
            f"data.expert: scripted knows {', '.join(SCRIPTED)}; data.id is {name}; record a trained agent by "
            "kvision predict RUN --record FILE.npz, and give data.path=FILE.npz"
        )
    return SCRIPTED[name]
