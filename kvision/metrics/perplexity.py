"""Perplexity of a language model: of how many equally likely tokens each could be one, from sums over batches, replicas and hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


def metrics(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
    """What is said of a whole corpus; it is never the mean of the perplexities of batches.

    Args:
        sums: `nll`, the negative log-probability, in nats, of all tokens that count, padding left out; `tokens`, how many there are.

    Returns:
        `perplexity`, from 1; NaN without tokens.
    """
    tokens = float(sums["tokens"])
    with np.errstate(over="ignore"):
        return {"perplexity": float(np.exp(np.float64(sums["nll"]) / tokens)) if tokens else float("nan")}
