"""The networks of a system as functions without variables, which is the only form that converts and quantizes reliably.

A SavedModel whose variables are left to the converter becomes, on this stack, a file that loads, runs and returns NaN (VAR_HANDLE and
READ_VARIABLE stay in it), or, with several signatures, one that does not load. So each network is frozen by itself before the converter sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from kvision_export.errors import ExportError
from kvision_export.tflite import subpixel

if TYPE_CHECKING:
    from pathlib import Path


class Networks(Protocol):
    """What has networks to export: a `kvision_export.subject.Subject`."""

    def networks(self) -> dict[str, keras.Model]:
        """The networks, by the name of their signature."""
        ...


def concrete(subject: Networks, batch: int | None = 1) -> dict[str, Any]:
    """Every network in inference mode, its weights turned into constants.

    Args:
        subject: What is exported.
        batch: Size of the first dimension; none: any.

    Returns:
        By signature, a `ConcreteFunction` that takes the network's inputs by their Keras names and gives a dict of its outputs by theirs.
    """
    return {name: _frozen(net, batch) for name, net in subject.networks().items()}


def save(subject: Networks, folder: Path, batch: int | None = 1) -> None:
    """Writes `concrete` as a SavedModel that holds constants only, for the converter to read in another process."""
    # Gradients of activations such as SiLU would be saved too, which fails once the function is frozen: "Found invalid capture Tensor".
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(tf.Module(), str(folder), signatures=concrete(subject, batch), options=options)


def output_names(net: keras.Model) -> list[str]:
    """What the outputs are called: the keys of a dict, else the layers that they come from.

    Args:
        net: The network.

    Returns:
        Names in the order in which `tf.nest.flatten` gives the outputs.

    Raises:
        ExportError: If two outputs have one name.
    """
    structure = net.output
    names = sorted(structure) if isinstance(structure, dict) else list(net.output_names)
    if not len(set(names)) == len(names) == len(net.outputs):
        raise ExportError(f"{net.name}: its outputs {', '.join(names)} can't be told apart by name; let it return a dict")
    return names


def _frozen(net: keras.Model, batch: int | None) -> Any:
    names, structure = output_names(net), net._inputs_struct
    specs = {each.name: tf.TensorSpec([batch, *each.shape[1:]], each.dtype, name=each.name) for each in net.inputs}
    weights = [(variable, variable.numpy()) for variable in net.variables]

    def call(**inputs: tf.Tensor) -> list[tf.Tensor]:
        flat = [inputs[each.name] for each in net.inputs]
        with keras.StatelessScope([(variable, tf.constant(value)) for variable, value in weights]):
            return tf.nest.flatten(net(tf.nest.pack_sequence_as(structure, flat), training=False))

    traced = tf.function(call).get_concrete_function(**specs)
    function, order = traced, sorted(specs)
    if not any("api_implements" in each.attr for each in traced.graph.as_graph_def().library.function):
        # Inlines all functions, and so takes away the marks of those that a fused op is made of. Loops stay whole: lowered ones do not convert.
        function = convert_variables_to_constants_v2(traced, lower_control_flow=False)
        order = [each.op.name for each in function.inputs]

    def named(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        given = [inputs[name] for name in order]
        if subpixel.applies(function.graph):
            outputs = subpixel.replay(function.graph, given)
        else:
            outputs = function(**inputs) if function is traced else function(*given)
        return dict(zip(names, outputs, strict=True))

    return tf.function(named).get_concrete_function(**specs)
