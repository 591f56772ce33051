"""Published weights of keras.applications and keras-hub, carried over to networks of ours that compute the same.

Layers correspond in the order of the two graphs, which tests hold against the outputs for each architecture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from kvision.core.errors import UsageError
from kvision.systems.classification._published import COLOURS
from kvision.systems.classification._transfer import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    import numpy as np

    from kvision.engine.pretrained import Pretrained

HOST = "https://storage.googleapis.com"


def applications(name: str, net: keras.Model, colours: Literal["torch", "tf", "middle", "caffe"], **options: Any) -> Pretrained:
    """Weights for ImageNet that keras.applications downloads, or has downloaded before.

    Args:
        name: Of the function in `keras.applications`.
        net: Our network with the same layers.
        colours: How its pictures are normalised, a key of `COLOURS`; `caffe` reads blue first, so the first kernels are turned round.
        **options: What else the function is given.

    Returns:
        The weights; those of the logits are optional.

    Raises:
        UsageError: If they can't be had, or the function's network has other layers.
    """
    import keras

    from kvision.engine.pretrained import Pretrained

    try:
        reference = getattr(keras.applications, name)(weights="imagenet", **options)
    except Exception as error:  # Keras tells of a failed download by a bare Exception
        raise UsageError(
            f"model.weights: keras.applications.{name} gives no ImageNet weights: {error}; they are downloaded from {HOST} once and kept in "
            "~/.keras/models; without a network give a run's folder or a file of weights"
        ) from error
    values = carried(reference, net)
    if colours == "caffe":
        first = next(iter(values))
        values[first] = values[first][:, :, ::-1]
    return Pretrained(values, f"keras.applications.{name}", (f"net/{HEAD}/",), COLOURS[colours])


def carried(reference: keras.Model, net: keras.Model) -> dict[str, np.ndarray]:
    """The weights of a network by the names that ours have.

    Where a normalisation of the reference has no scale, ours gets ones; where its epsilon is another one, the difference goes into our variance,
    which gives exactly the same factor. 1x1 convolutions of a vector are fully connected layers, and convolutions of as many groups as channels
    are depthwise ones.

    Args:
        reference: A network of keras.applications or keras-hub.
        net: Ours; its logits may be more than the reference has.

    Returns:
        Arrays by name, in the order of our layers.

    Raises:
        UsageError: If the two have not the same kinds of layers in the same order.
    """
    import keras

    from kvision.engine import state

    names = {id(variable): name for name, variable in state.weights({"net": net}).items()}
    theirs, ours = list(_layers(reference)), list(_layers(net))
    if ours[-1].name == HEAD and (len(ours) > len(theirs) or not isinstance(ours[-1], keras.layers.Dense)):
        ours.pop()
        if len(theirs) == len(ours) + 1:
            theirs.pop()
    if len(theirs) != len(ours):
        raise UsageError(
            f"model.weights: {reference.name} has {len(theirs)} layers with weights, this network {len(ours)}; take out the options of model that "
            "change its layers"
        )
    found: dict[str, np.ndarray] = {}
    for their, our in zip(theirs, ours, strict=True):
        values = _values(their, our)
        if len(values) != len(our.weights):
            raise UsageError(f"model.weights: {their.name} of {reference.name} has {len(values)} weights, {our.name} here {len(our.weights)}")
        found |= {names[id(variable)]: value for value, variable in zip(values, our.weights, strict=True)}
    return found


def _layers(net: keras.Model) -> Iterator[keras.layers.Layer]:
    """Those with weights, in the order of the graph; not the one that normalises colours."""
    import keras

    for layer in net.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif layer.weights and not isinstance(layer, keras.layers.Normalization):
            yield layer


def _values(their: keras.layers.Layer, our: keras.layers.Layer) -> list[np.ndarray]:
    """The weights of one layer as ours takes them."""
    import keras
    import numpy as np

    from kvision.engine.replica import native

    values = [np.array(native(variable).numpy()) for variable in their.weights]
    if isinstance(their, keras.layers.BatchNormalization):
        values = values if their.scale else [np.ones_like(values[0]), *values]
        values[-1] += np.float32(their.epsilon - getattr(our, "epsilon", their.epsilon))
    elif isinstance(our, keras.layers.DepthwiseConv2D) and not isinstance(their, keras.layers.DepthwiseConv2D):
        values[0] = values[0].swapaxes(2, 3)
    elif isinstance(our, keras.layers.Dense) and values[0].shape[:-2] == (1, 1):
        values[0] = values[0][0, 0]
    return values
