"""Published weights under the names that PyTorch's packages give them, carried over to networks of ours that compute the same.

Which package's they are, the tensors' names tell; what options they need, their shapes. What no tensor tells stands in `config.json` beside the file,
as timm publishes it: the colours of the pictures, and whether the network came from TensorFlow.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kvision.core import words
from kvision.core.errors import RunError, UsageError
from kvision.engine import state
from kvision.systems.classification import _published
from kvision.systems.classification._transfer import HEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import keras
    import numpy as np

    from kvision.core.schema import Recipe
    from kvision.engine.pretrained import Colour, Pretrained

_KINDS = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_UNUSED = ".num_batches_tracked"
CONFIG = "config.json"


@dataclass(frozen=True)
class Naming:
    """How a package calls the layers of a network of ours, and how its networks were trained.

    Attributes:
        origin: The package, for messages.
        layer: Its name of a layer of ours, or of the tensor if the layer has but one; none: there is no such layer.
        colour: Mean and deviation of red, green and blue, 0-1, that pictures were normalised with.
        options: From the package's tensors and its name of the network, which may not be known and then is empty: the options of the recipe that
            compute the same, as `_published.demand` takes them.
        epsilon: Of its batch normalisations.
    """

    origin: str
    layer: Callable[[str], str | None]
    colour: tuple[Colour, Colour]
    options: Callable[[Mapping[str, np.ndarray], str], Mapping[str, Any]] = lambda _tensors, _architecture: {}
    epsilon: float = 1e-5


def carried(given: Pretrained, net: keras.Model, recipe: Recipe, namings: Sequence[Naming], config: Mapping[str, Any] | None = None) -> Pretrained:
    """The tensors of a package as weights of ours.

    Args:
        given: By the package's names.
        net: Our network.
        recipe: What it was built by.
        namings: Those that the system knows.
        config: What `configuration` reads.

    Returns:
        The weights by our names, with the colours that they know.

    Raises:
        UsageError: If the names are no package's that is known for the system, or an option must be another one.
        RunError: If there are tensors that our network has no place for.
    """
    theirs = {name: value for name, value in given.values.items() if not name.endswith(_UNUSED)}
    variables = state.weights({"net": net})
    tables = [(naming, {name: their_name(name.removeprefix("net/"), net, naming) for name in variables}) for naming in namings]
    naming, names = max(tables, key=lambda table: len(theirs.keys() & set(table[1].values())), default=(None, {}))
    if naming is None or not theirs.keys() & set(names.values()):
        known = " and those of ".join([f"this network's own ({next(iter(variables))} ...)", *(naming.origin for naming in namings)])
        raise UsageError(
            f"model.weights: {given.origin} holds {words.listed(list(theirs), state.SHOWN)}; the names known for {recipe.system} are {known}"
        )
    settings = (config or {}).get("pretrained_cfg", config or {})
    _published.demand(recipe, given.origin, naming.options(theirs, (config or {}).get("architecture", "")))
    left = sorted(name for name in theirs.keys() - set(names.values()) if not name.startswith(f"{naming.layer(HEAD)}."))
    if left:
        raise RunError(
            f"model.weights: {given.origin} has {words.counted(len(left), 'tensor')} that this network has no place for: "
            f"{words.listed(left, state.SHOWN)}; take out the options of model that change its layers; other kinds of it are not known"
        )
    values = {ours: converted(ours, theirs[name], net, naming) for ours, name in names.items() if name in theirs}
    colour = (tuple(settings["mean"]), tuple(settings["std"])) if settings.keys() >= {"mean", "std"} else naming.colour
    return replace(given, values=values, colour=given.colour or colour)


def configuration(file: Path) -> dict[str, Any]:
    """What timm says of the weights in a file, in the `config.json` beside it; empty: there is none.

    Args:
        file: The weights.

    Returns:
        `architecture` and `pretrained_cfg`, where they are told.

    Raises:
        RunError: If it is damaged.
    """
    path = file.with_name(CONFIG)
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"model.weights: {path}, which tells the colours of the weights beside it, can't be read: {error}") from error


def their_name(ours: str, net: keras.Model, naming: Naming) -> str | None:
    """`stage0_block1_a_conv/kernel` -> `layer1.1.conv1.weight`; none: there is no such tensor."""
    from kvision.layers.patches import ClassToken, Positions
    from kvision.layers.scale import LayerScale

    layer, _, kind = ours.rpartition("/")
    name = naming.layer(layer)
    if name is None or isinstance(net.get_layer(layer.partition("/")[0]), ClassToken | Positions | LayerScale):
        return name
    return f"{name}.{_KINDS[kind]}" if kind in _KINDS else None


def converted(ours: str, value: np.ndarray, net: keras.Model, naming: Naming) -> np.ndarray:
    """A tensor in our order of axes.

    Kernels are `[out, in, h, w]` there and `[h, w, in, out]` here (a depthwise one's only input stands last here), matrices `[out, in]` and
    `[in, out]`; a 1x1 convolution of a vector is a matrix here. Tokens and positions have a batch of one there. What their epsilon is larger than
    ours is added to the variance, which gives the same factor.

    Args:
        ours: Our name, `net/` and all.
        value: Theirs.
        net: Our network.
        naming: Theirs.

    Returns:
        For the variable.
    """
    import keras

    path, _, kind = ours.removeprefix("net/").rpartition("/")
    layer = net.get_layer(path.partition("/")[0])
    if kind == "kernel" and isinstance(layer, keras.layers.Dense):
        return value.reshape(value.shape[:2]).T if value.shape[2:] in ((), (1, 1)) else value
    if kind == "kernel":
        axes = {4: (2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (2, 3, 1, 0), 2: (1, 0)}
        return value.transpose(axes.get(value.ndim))
    if kind == "moving_variance":
        return value + value.dtype.type(naming.epsilon - layer.epsilon)
    return value.reshape(value.shape[{"token": 2, "positions": 1}.get(kind, 0) :])
