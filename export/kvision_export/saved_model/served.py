"""What a SavedModel serves, and its folder.

`serving_default` takes encoded pictures `image_bytes`, `predict_image` decoded ones `image`, `predict_tensor` what the network itself takes. Systems
that take no pictures serve `predict_tensor` as `serving_default`. Further networks have a signature each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvision_export.errors import ExportError
from kvision_export.parity.standin import PREDICT_TENSOR, by_name
from kvision_export.saved_model.pictures import Pictures, fed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import keras

    from kvision_export.subject import Subject

    Step = Callable[[Mapping[str, tf.Tensor]], Mapping[str, tf.Tensor]]
    """From a network's inputs by name to outputs by name."""

DEFAULT = "serving_default"
IMAGE = "predict_image"
TENSOR = PREDICT_TENSOR
LABELS = "assets/labels.txt"


class Served(tf.Module):
    """Holds the variables of networks, and nothing else: what holds a Keras model, too, stores every weight twice."""

    def __init__(self, networks: Mapping[str, keras.Model]) -> None:
        super().__init__(name="served")
        self.values = list({id(each): each.value for net in networks.values() for each in net.variables}.values())


def make(subject: Subject) -> tuple[Served, dict[str, Any]]:
    """The module to save, and its signatures.

    Args:
        subject: What is exported.

    Returns:
        The variables; and the concrete functions by signature, with named inputs and outputs and a batch of any size.

    Raises:
        ExportError: If outputs or signatures can't be told apart by name, or answers can't be stacked.
        UsageError: If pictures keep their resolution and the network is bound to one size.
    """
    (_, net), *others = subject.networks().items()
    tensor = _on_tensors(net, _explained(subject) if subject.direct else _called(net))
    found = {DEFAULT: tensor, TENSOR: tensor}
    if subject.takes_pictures:
        pictures = Pictures(subject.system, subject.preprocess)
        found[DEFAULT] = _traced(lambda image_bytes: pictures.encoded(image_bytes), image_bytes=tf.TensorSpec([None], tf.string))
        found[IMAGE] = _traced(lambda image: pictures.images(image), image=tf.TensorSpec([None, None, None, 3], tf.uint8))
    for name, other in others:
        if name in (DEFAULT, IMAGE, TENSOR):
            raise ExportError(f"{subject.system.recipe.system}: `signatures()` names a network {name}, which is taken; give it another name")
        found[name] = _on_tensors(other, _called(other))
    return Served(subject.networks()), found


def save(subject: Subject, folder: Path) -> None:
    """Writes the SavedModel of a system.

    Args:
        subject: What is exported.
        folder: A new folder: `saved_model.pb`, `variables/`, `assets/labels.txt`.

    Raises:
        ExportError: As `make`.
        UsageError: As `make`.
    """
    served, signatures = make(subject)
    tf.saved_model.save(served, str(folder), signatures=signatures)
    labels = folder / LABELS
    labels.parent.mkdir(exist_ok=True)
    labels.write_text(subject.labels_txt, encoding="utf-8")


def _traced(function: Callable[..., Any], **specs: tf.TensorSpec) -> Any:
    return tf.function(function).get_concrete_function(**{name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in specs.items()})


def _on_tensors(net: keras.Model, step: Step) -> Any:
    """The concrete function of a network's own inputs."""
    return _traced(lambda **inputs: fed(step, inputs), **{each.name: tf.TensorSpec([None, *each.shape[1:]], each.dtype) for each in net.inputs})


def _called(net: keras.Model) -> Step:
    """The network alone."""

    def step(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        given = tf.nest.pack_sequence_as(net._inputs_struct, [inputs[each.name] for each in net.inputs])
        return by_name(net, net(given, training=False))

    return step


def _explained(subject: Subject) -> Step:
    """The first network, and what `predict_step` makes of its outputs, from one call."""
    (role, net) = next(iter(subject.system.networks.items()))
    said: list[Any] = []

    def overheard(*inputs: Any, **options: Any) -> Any:
        said.append(net(*inputs, **options))
        return said[-1]

    system = subject.system.with_networks({role: overheard})

    def step(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        predicted = system.predict_step(next(iter(inputs.values())))
        return {**by_name(net, said.pop()), **predicted}

    return step
