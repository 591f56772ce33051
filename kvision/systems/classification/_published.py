"""Published weights of keras.applications, carried over to networks of ours that compute the same.

Layers correspond in the order of the two graphs, which tests hold against the outputs for each architecture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from kvision.core.errors import UsageError
from kvision.systems.classification._transfer import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterable

    import keras
    import numpy as np

    from kvision.engine.pretrained import Colour, Pretrained

HOST = "https://storage.googleapis.com"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE = (123.68 / 255, 116.779 / 255, 103.939 / 255)
COLOURS: dict[str, tuple[Colour, Colour]] = {
    "torch": (_MEAN, _STD),
    "tf": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "caffe": (_CAFFE, (1 / 255, 1 / 255, 1 / 255)),
}
"""Mean and deviation of red, green and blue as `preprocess_input(mode=...)` of keras.applications has them; pictures are 0-1."""


def applications(
    name: str, net: keras.Model, colours: Literal["torch", "tf", "caffe"], *, optional: Iterable[str] = (), **options: Any
) -> Pretrained:
    """Weights for ImageNet that keras.applications downloads, or has downloaded before.

    Args:
        name: Of the function in `keras.applications`.
        net: Our network with the same layers.
        colours: How its pictures are normalised, a key of `COLOURS`; `caffe` reads blue first, so the first kernels are turned round.
        optional: Names of layers besides the logits that a new task may replace.
        **options: What else the function is given.

    Returns:
        The weights; those of the logits are optional.

    Raises:
        UsageError: If they can't be downloaded, or the function's network has other layers.
    """
    import keras

    try:
        reference = getattr(keras.applications, name)(weights="imagenet", **options)
    except ValueError as error:
        raise UsageError(f"model.weights: keras.applications.{name} has no ImageNet weights for these options: {error}") from error
    except Exception as error:  # Keras tells of a failed download by a bare Exception
        raise UsageError(
            f"model.weights: the ImageNet weights of keras.applications.{name} can't be downloaded from {HOST}: {error}; connect to a network once, "
            f"or put the file into {keras.config.keras_home()}/models, or give a run's folder or a .keras file"
        ) from error
    from kvision.engine.pretrained import Pretrained

    values = carried(reference, net)
    if colours == "caffe":
        first = next(iter(values))
        values[first] = values[first][:, :, ::-1]
    prefixes = tuple(f"net/{layer}/" for layer in (HEAD, *optional))
    return Pretrained(values, f"keras.applications.{name}", prefixes, COLOURS[colours])


def carried(reference: keras.Model, net: keras.Model) -> dict[str, np.ndarray]:
    """The weights of a network by the names that ours have.

    Where a normalisation of the reference has no scale, ours gets ones; where its epsilon is another one, the difference goes into our variance,
    which gives exactly the same factor. 1x1 convolutions of a vector and fully connected layers are the same.

    Args:
        reference: A network of keras.applications.
        net: Ours.

    Returns:
        Arrays by name, in the order of our layers.

    Raises:
        UsageError: If the two have not the same kinds of layers in the same order.
    """
    import keras
    import numpy as np

    from kvision.engine import state

    names = {id(variable): name for name, variable in state.weights({"net": net}).items()}
    theirs = [layer for layer in reference.layers if layer.weights and not isinstance(layer, keras.layers.Normalization)]
    ours = [layer for layer in net.layers if layer.weights]
    if len(theirs) != len(ours):
        raise UsageError(
            f"model.weights: {reference.name} has {len(theirs)} layers with weights, this network {len(ours)}; take out the options of model that "
            "change its layers"
        )
    found: dict[str, np.ndarray] = {}
    for their, our in zip(theirs, ours, strict=True):
        values = their.get_weights()
        if isinstance(their, keras.layers.BatchNormalization):
            values = ([] if their.scale else [np.ones_like(values[0])]) + values
            values[-1] = values[-1] + np.float32(their.epsilon - getattr(our, "epsilon", their.epsilon))
        if len(values) != len(our.weights):
            raise UsageError(f"model.weights: {their.name} of {reference.name} has {len(values)} weights, {our.name} here {len(our.weights)}")
        for value, variable in zip(values, our.weights, strict=True):
            found[names[id(variable)]] = _without_places(value, len(variable.shape))
    return found


def _without_places(value: np.ndarray, rank: int) -> np.ndarray:
    """A kernel `[1, 1, C, D]` as `[C, D]` if that is wanted."""
    return value.reshape(value.shape[2:]) if value.ndim == 4 and rank == 2 and value.shape[:2] == (1, 1) else value
