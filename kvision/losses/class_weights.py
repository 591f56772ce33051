"""Factors of the classes' losses that make up for classes with many and with few examples, from the numbers of examples. No TensorFlow here."""

from __future__ import annotations

from typing import Literal

import numpy as np

Rule = Literal["balanced", "effective"]
RULES: tuple[Rule, ...] = ("balanced", "effective")


def of(rule: Rule, counts: np.ndarray, *, beta: float, several: bool) -> np.ndarray:
    """The factors by a rule.

    Args:
        rule: `balanced`: inverse frequency; `effective`: inverse effective number.
        counts: Examples of each class n, `[K]`.
        beta: Of `effective`, 0 <= beta < 1: 0 weights all classes alike, near 1 it is the inverse frequency.
        several: Whether an example may be of several classes, so that each has a term for every class.

    Returns:
        float64 `[K]`. A class without examples has the factor 1; the mean of the others is 1, over the examples for `balanced` where each has one
        class, so that the loss keeps its size, else over the classes, as the paper has it.

    References:
        `balanced`: King and Zeng 2001, Logistic Regression in Rare Events Data, as scikit-learn has it: N / (K n).
        `effective`: Cui et al. 2019, arXiv 1901.05555, proposition 1: (1 - beta) / (1 - beta^n), and section 4 for its mean.
    """
    factors, there = np.ones(len(counts)), counts > 0
    number = counts[there].astype(np.float64)
    inverse = 1.0 / number if rule == "balanced" else (1.0 - beta) / -np.expm1(number * np.log(beta)) if beta else np.ones(len(number))
    weights = number if rule == "balanced" and not several else None
    factors[there] = inverse / np.average(inverse, weights=weights)
    return factors
