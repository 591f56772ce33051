"""Whitening of inputs: a frozen linear layer whose outputs are uncorrelated over the training examples and have the variance 1.

Papers: Hotelling 1933 (principal components); Bell & Sejnowski 1997, The "independent components" of natural scenes are edge filters (ZCA).
Deviations: directions in which the examples do not differ at all, as between the channels of grey pictures, give 0 and not amplified rounding.

Shapes: N examples, D inputs, M outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import keras
import numpy as np

from kvision.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["pca", "zca"]
NAME = "whiten"
MOST_INPUTS = 4096
"""The covariance of so many is decomposed in about a minute; the time grows by the third power."""
_NULL = 1e-9
"""A direction whose variance is this share of the greatest one is rounding."""


def whiten(x: keras.KerasTensor, kind: Kind, components: int | None) -> keras.KerasTensor:
    """The layer, which gives anything until it is fitted.

    Args:
        x: `[B, D]`, or a map `[B, H, W, C]`, which is flattened.
        kind: `pca`: outputs are the principal components; `zca`: they are turned back to where the inputs were, and so look like them.
        components: How many of the principal components are kept, those of the greatest variance; none: all.

    Returns:
        `[B, M]`: M is `components` for `pca`, else D; float32.

    Raises:
        UsageError: If there are too many inputs, or fewer than `components`.
    """
    if len(x.shape) > 2:
        x = keras.layers.Flatten(name=f"{NAME}_flat")(x)
    inputs = x.shape[-1]
    if inputs > MOST_INPUTS:
        raise UsageError(f"model.whiten: {kind} of {inputs} inputs is too much work; use a data.size_px that gives at most {MOST_INPUTS}, such as 36")
    if components is not None and components > inputs:
        raise UsageError(f"model.components: {components} of {inputs} inputs can't be kept; use at most {inputs}")
    units = components if kind == "pca" and components is not None else inputs
    return keras.layers.Dense(units, trainable=False, dtype="float32", name=NAME)(x)


def fit(layer: keras.layers.Dense, examples: Iterable[np.ndarray], kind: Kind, components: int | None, epsilon: float) -> None:
    """Fits the layer.

    Args:
        layer: As `whiten` made it.
        examples: Its inputs `[b, D]`, batch by batch.
        kind: As for `whiten`.
        components: Likewise.
        epsilon: As for `projection`.

    Raises:
        DataError: If there are fewer than two examples.
    """
    kernel, bias = projection(*moments(examples), kind, components, epsilon)
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)


def moments(examples: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean float64 `[D]` and covariance float64 `[D, D]`, divided by N - 1, in one pass.

    Args:
        examples: `[b, D]`, batch by batch.

    Returns:
        Both.

    Raises:
        DataError: If there are fewer than two examples.
    """
    count, origin, total, products = 0, None, np.float64(0.0), np.float64(0.0)
    for batch in examples:
        wide = np.asarray(batch, np.float64)
        origin = wide.mean(0) if origin is None else origin  # near the mean, so that little is lost in the difference below
        away = wide - origin
        count, total, products = count + len(away), total + away.sum(0), products + away.T @ away
    if origin is None or count < 2:
        raise DataError(f"model.whiten: {count} training examples have no variance; give at least 2")
    shift = total / count
    return origin + shift, (products - count * np.outer(shift, shift)) / (count - 1)


def projection(mean: np.ndarray, covariance: np.ndarray, kind: Kind, components: int | None, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """The linear map `x @ kernel + bias` that whitens.

    Args:
        mean: `[D]`.
        covariance: `[D, D]`.
        kind: `pca` or `zca`.
        components: How many principal components are kept; none: all.
        epsilon: Added to each variance before the inputs are divided by its root, so that noise is not amplified.

    Returns:
        Kernel `[D, M]` and bias `[M]`. Of each component the greatest entry is positive, as in scikit-learn.
    """
    variances, directions = np.linalg.eigh(covariance)
    variances, directions = variances[::-1][:components], directions[:, ::-1][:, :components]
    directions = directions * np.sign(np.take_along_axis(directions, np.abs(directions).argmax(0)[None], 0))
    alive = variances > _NULL * max(variances[0], np.finfo(np.float64).tiny)
    factors = np.where(alive, 1.0 / np.sqrt(np.where(alive, variances, 1.0) + epsilon), 0.0)
    kernel = directions * factors
    if kind == "zca":
        kernel = kernel @ directions.T
    return kernel, -mean @ kernel
