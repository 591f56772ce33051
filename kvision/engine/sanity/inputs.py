"""What the network is fed: finite numbers around 0 with a spread around 1, of pictures that use their range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.engine.sanity.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

CENTRE = 0.5
"""Largest distance of a channel's mean from 0."""
SPREAD = (0.3, 3.0)
"""Accepted deviation of a channel; below 1 where much of the square is padding."""
RANGE = 16
"""Least difference between the brightest and the darkest value of all pictures, of 255."""


def check(images: np.ndarray, raw: Sequence[np.ndarray]) -> list[Verdict]:
    """Range of the pictures, then mean and deviation of what the network sees of them.

    Args:
        images: Normalised, as batches hold them `[N, S, S, C]`.
        raw: The pictures uint8 `[H, W, C]`.

    Returns:
        Three verdicts.
    """
    return [_range(raw), *_moments(images)]


def _range(raw: Sequence[np.ndarray]) -> Verdict:
    darkest, brightest = min(int(picture.min()) for picture in raw), max(int(picture.max()) for picture in raw)
    hint = "they look as if they had been divided by 255 once too often" if brightest <= 1 else "they show next to nothing"
    return judge(
        "input range",
        brightest - darkest,
        low=RANGE,
        high=255,
        good=f"the pictures hold values from {darkest} to {brightest}",
        bad=f"the pictures hold values from {darkest} to {brightest} of 0..255: {hint}; look at them with `kvision data show`, and mend the source",
    )


def _moments(images: np.ndarray) -> list[Verdict]:
    pixels = images.reshape(-1, images.shape[-1]).astype(np.float64)
    bad = int((~np.isfinite(pixels)).sum())
    means, stds = (np.full(pixels.shape[1], np.nan),) * 2 if bad else (pixels.mean(axis=0), pixels.std(axis=0))
    broken = f"{bad} of {pixels.size} values are NaN or infinite; mend the source or the preprocessing"
    mean, std = float(means[np.argmax(np.abs(means))]), float(stds[np.argmax(np.abs(np.log(np.maximum(stds, 1e-12))))])
    constant = [str(channel) for channel in np.flatnonzero(stds < 1e-3)]
    flat = f"channel {', '.join(constant)} is constant and tells nothing; give pictures in which it varies" if constant else ""
    scaled = "the inputs are not normalised; see data.json of the run, or the statistics that `kvision data show` prints"
    details = {"mean": means.tolist(), "std": stds.tolist()}
    return [
        judge(
            "input mean",
            mean,
            low=-CENTRE,
            high=CENTRE,
            good="each channel's mean is near 0; this one is the farthest",
            bad=broken if bad else f"a channel's mean is far from 0: {scaled}",
            details=details,
        ),
        judge(
            "input deviation",
            std,
            low=SPREAD[0],
            high=SPREAD[1],
            good="each channel's deviation is near 1; this one is the farthest",
            bad=broken if bad else flat or f"a channel's deviation is far from 1: {scaled}",
            details=details,
        ),
    ]
