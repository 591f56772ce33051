"""Perplexity is of the whole corpus, and has no surprises at its ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kvision.metrics import perplexity


def test_of_equally_likely_tokens_it_is_their_number() -> None:
    assert perplexity.metrics({"nll": np.array(7 * math.log(5)), "tokens": np.array(7)}) == {"perplexity": pytest.approx(5)}


def test_nothing_is_nan_and_nonsense_is_infinite() -> None:
    assert math.isnan(perplexity.metrics({"nll": np.array(0.0), "tokens": np.array(0)})["perplexity"])
    assert perplexity.metrics({"nll": np.array(1e6), "tokens": np.array(1)})["perplexity"] == math.inf
