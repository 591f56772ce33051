"""Whether a run is long enough for its moving averages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

SETTLED = 5.0
"""Moving statistics have forgotten their start once steps x (1 - momentum) is this large: what is left of it is exp(-5), under 1%."""


def unsettled(networks: Mapping[str, keras.Model], steps: int) -> str | None:
    """Checks that a run is not so short that batch-norm statistics are not yet settled.

    Args:
        networks: Networks by role.
        steps: Steps of the whole run.

    Returns:
        A warning; none if all is well.
    """
    layers = [layer for net in networks.values() for layer in net._flatten_layers() if layer.trainable]  # the others keep their statistics
    momenta = [float(layer.momentum) for layer in layers if hasattr(layer, "momentum") and hasattr(layer, "moving_mean")]
    slowest = max(momenta, default=0.0)
    enough = math.ceil(round(SETTLED / (1.0 - slowest), 6)) if slowest < 1.0 else math.inf
    if not momenta or steps >= enough:
        return None
    return (
        f"steps so few that batch-norm statistics are not yet settled: {steps} steps with momentum {slowest:g} still hold part of their start, "
        f"so validation looks worse than the model is; train at least {enough} steps, or use a normalisation without moving statistics"
    )
