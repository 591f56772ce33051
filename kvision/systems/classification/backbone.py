"""Any body of keras.applications, or any backbone of keras-hub, by its name.

Papers: those of the bodies.
Deviations: the body is the library's own graph, without its rescaling of colours, as pictures come normalised, and with our batch and layer
normalisations, which compute the same in less time and over all replicas (those within composite layers of keras-hub stay).
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import UsageError
from kvision.core.names import did_you_mean
from kvision.systems.classification._part import Classifier, ClassifierOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from kvision.engine.pretrained import Colour, Pretrained

_OURS = ("include_top", "weights", "input_tensor", "input_shape", "pooling", "classes", "classifier_activation", "name", "include_preprocessing")
"""Arguments of keras.applications that kvision gives itself."""
_COLOURS = {
    "tf": ("InceptionResNetV2", "InceptionV3", "MobileNet", "NASNet", "ResNet50V2", "ResNet101V2", "ResNet152V2", "Xception"),
    "torch": ("ConvNeXt", "DenseNet", "EfficientNetV2B"),
    "caffe": ("ResNet50", "ResNet101", "ResNet152", "VGG"),
    "middle": ("EfficientNetV2",),
}
"""How the published weights' pictures are normalised, by the beginnings of the functions' names; the first that fits counts."""


class BackboneOptions(ClassifierOptions):
    """Which body."""

    library: Literal["applications", "keras_hub"] = Field("applications", description="Whose body: keras.applications', or keras-hub's.")
    name: str = Field(
        "MobileNetV2",
        description="`applications`: the function, such as MobileNetV2 or EfficientNetV2B0; `keras_hub`: a preset, such as resnet_18_imagenet (its "
        "description is downloaded), or the folder of one.",
    )
    arguments: dict[str, bool | int | float | str] = Field({}, description="`applications`: what else the function is given, such as {alpha: 0.5}.")


class Backbone(Classifier):
    """A body that others wrote, under our head."""

    Options = BackboneOptions
    exempt: ClassVar[dict[str, str]] = {
        "two_replicas": "the 27 batch norms of the smallest body enlarge float32's rounding over few examples (3e-5 of the logits before a step)"
    }

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """What the body says: a map `[B, h, w, C]` or features `[B, D]`; of tokens `[B, N, D]` the mean."""
        import keras

        options: BackboneOptions = self.recipe.model  # type: ignore[assignment]
        try:
            features = _on(image, _application(options) if options.library == "applications" else _preset(options.name, weights=False))
        except ValueError as error:
            size = self.recipe.data.size_px
            raise UsageError(
                f"model.name: {options.name} can't be built for pictures of {size} px: {_said(error)}; use a larger data.size_px"
            ) from error
        return keras.layers.GlobalAveragePooling1D(name="tokens")(features) if len(features.shape) == 3 else features

    def imagenet(self) -> Pretrained:
        """Those of the library: of keras.applications for ImageNet, of a preset its own."""
        from kvision.engine.pretrained import Pretrained
        from kvision.systems.classification import _keras_weights, _transfer

        options: BackboneOptions = self.recipe.model  # type: ignore[assignment]
        if options.library == "applications":
            _, given = _function(options)
            names = next(names for names, starts in _COLOURS.items() if options.name.startswith(starts))
            return _keras_weights.applications(options.name, self.net, names, include_top=False, **given)  # type: ignore[arg-type]
        values = _keras_weights.carried(_preset(options.name, weights=True), self.net)
        return Pretrained(values, f"keras-hub's {options.name}", (f"net/{_transfer.HEAD}/",), _colour(options.name))


def _application(options: BackboneOptions) -> keras.Model:
    """A body of keras.applications with random weights."""
    function, given = _function(options)
    return function(include_top=False, weights=None, **given)


def _on(image: keras.KerasTensor, body: keras.Model) -> keras.KerasTensor:
    """What a body says of the image, by new layers of the same make, random weights in them."""
    import keras

    said: dict[str, keras.KerasTensor] = {}

    def call(layer: Any, *args: Any, mask: Any = None, **kwargs: Any) -> Any:  # ours take no mask, and pictures have none
        said[layer.name] = layer(*args, **kwargs)
        return said[layer.name]

    graph = keras.Model(body.inputs, body.outputs)
    keras.models.clone_model(graph, input_tensors=[image], clone_function=_ours, call_function=call)
    return said[graph.outputs[0]._keras_history.operation.name]  # the clone's own outputs do not hang on the image where that is computed


def _ours(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A new layer like this one; normalisations are ours."""
    import keras

    from kvision.layers import dropout, normalization

    for theirs, our in (
        (keras.layers.BatchNormalization, normalization.BatchNormalization),
        (keras.layers.LayerNormalization, normalization.LayerNormalization),
    ):
        if type(layer) is theirs:
            return our(epsilon=layer.epsilon, name=layer.name)
    if type(layer) is keras.layers.Dropout and layer.noise_shape is None:
        return dropout.Dropout(layer.rate, name=layer.name)
    return type(layer).from_config(layer.get_config())


def _function(options: BackboneOptions) -> tuple[Callable[..., keras.Model], dict[str, Any]]:
    """The function of keras.applications and what it is given beside what all are; raises `UsageError` if there is none, or none for this."""
    import keras

    names = [name for name in dir(keras.applications) if name[0].isupper()]
    if options.name not in names:
        raise UsageError(f"model.name: keras.applications has no {options.name}; it has {', '.join(names)}{did_you_mean(options.name, names)}")
    if options.name.startswith("EfficientNetB"):
        variant = options.name.removeprefix("EfficientNet").lower()
        raise UsageError(
            f"model.name: keras.applications.{options.name} rescales colours itself; use system: classification/efficientnet with "
            f"model.variant={variant}, which computes the same"
        )
    function = getattr(keras.applications, options.name)
    taken = list(inspect.signature(function).parameters)
    accepted = [name for name in taken if name not in _OURS]
    wrong = [name for name in options.arguments if name not in accepted]
    if wrong:
        may = f"it takes {', '.join(accepted)}" if accepted else "it takes none"
        raise UsageError(f"model.arguments: keras.applications.{options.name} takes no {', '.join(wrong)}; {may}{did_you_mean(wrong[0], accepted)}")
    return function, options.arguments | ({"include_preprocessing": False} if "include_preprocessing" in taken else {})


def _said(error: ValueError) -> str:
    """What Keras says in bold type, or else its first line."""
    bold = re.search(r"\x1b\[1m(.+?)\x1b", str(error))
    return (bold.group(1) if bold else str(error).splitlines()[0]).rstrip(".")


def _hub() -> Any:
    """The package; raises `UsageError` without it."""
    try:
        import keras_hub
    except ImportError as error:
        raise UsageError(f"model.library: keras_hub needs the package keras-hub: pip install 'kvision[hub]' ({error})") from error
    return keras_hub


def _preset(name: str, *, weights: bool) -> keras.Model:
    """A backbone of keras-hub; raises `UsageError` if it can't be had."""
    hub = _hub()
    try:
        return hub.models.Backbone.from_preset(name, load_weights=weights)
    except Exception as error:  # each of the places that presets come from has errors of its own
        raise UsageError(
            f"model.name: keras-hub can't give the preset {name}: {str(error).splitlines()[0]}; presets are downloaded once, without a network give "
            "the folder of one"
        ) from error


def _colour(name: str) -> tuple[Colour, Colour] | None:
    """Mean and deviation that a preset's pictures are normalised with, 0-1; none: it does not say."""
    import numpy as np

    try:
        converter = _hub().layers.ImageConverter.from_preset(name)
    except (ValueError, OSError):
        return None
    scale = np.broadcast_to(np.float64(1.0 if converter.scale is None else converter.scale), 3)
    offset = np.broadcast_to(np.float64(0.0 if converter.offset is None else converter.offset), 3)
    return tuple(-offset / scale / 255), tuple(1 / scale / 255)
