"""The same system with exported functions in place of its networks: its own steps then evaluate and predict with the exported file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision_export.errors import ExportError
from kvision_export.parity.runner import SavedModel
from kvision_export.tflite.freeze import output_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import keras

    from kvision.engine.system import System
    from kvision_edge import manifest
    from kvision_export.parity.runner import Arrays, Runnable

    Call = Callable[[Mapping[str, np.ndarray]], Arrays]


PREDICT_TENSOR = "predict_tensor"
"""The signature of a SavedModel that takes and gives what the first network does."""


def system_on(system: System, calls: Mapping[str, Call]) -> System:
    """A system that computes with exported functions.

    Args:
        system: With its networks built; their weights are not looked at.
        calls: For each of `System.signatures()` what runs it: arrays `[B, ...]` by input name to arrays by output name.

    Returns:
        A copy whose `eval_step`, `predict_step`, `metrics` and `picture` are those of the functions; it can't be trained.
    """
    networks = {role: Function(system.networks[role], calls[signature]) for signature, role in system.signatures().items()}
    return system.with_networks(networks)


def calls_of(opened: Runnable, system: System, where: str) -> dict[str, Call]:
    """What runs each of a system's signatures on an opened file.

    Args:
        opened: The file.
        system: What was exported.
        where: The file's path, for the message.

    Returns:
        A function for each of `System.signatures()`, tried once: some files open, and fail when they are run.

    Raises:
        ExportError: If the file lacks one, its inputs and outputs are not the network's, or it does not run.
    """
    found: dict[str, Call] = {}
    for place, (signature, role) in enumerate(system.signatures().items()):
        named = PREDICT_TENSOR if place == 0 and PREDICT_TENSOR in opened.signatures else signature
        if named not in opened.signatures:
            raise ExportError(f"{where}: has no signature {signature}, which {system.recipe.system} needs; it has {', '.join(opened.signatures)}")
        _check(f"{where}: {named}", opened.signatures[named], system.networks[role])
        found[signature] = _Opened(opened, named, output_names(system.networks[role]))
        found[signature]({each.name: np.zeros([1, *each.shape[1:]], each.dtype) for each in system.networks[role].inputs})
    return found


@dataclass(frozen=True)
class _Opened:
    """One function of a file; its only output is the network's, however it is called."""

    file: Runnable
    signature: str
    names: list[str]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        return self._named(self.file.run(self.signature, inputs))

    def in_graph(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor] | None:
        """What TensorFlow itself computes, in the caller's graph; none if the file is not TensorFlow's."""
        return self._named(self.file.call(self.signature, inputs)) if isinstance(self.file, SavedModel) else None

    def _named(self, found: dict[str, Any]) -> dict[str, Any]:
        return found if set(self.names) <= set(found) else {self.names[0]: next(iter(found.values()))}


def _check(where: str, found: manifest.Signature, net: keras.Model) -> None:
    """Raises what keeps a function from standing in for a network."""
    for kind, tensors, expected in (
        ("input", found.inputs, {each.name: each.shape for each in net.inputs}),
        ("output", found.outputs, {name: each.shape for name, each in by_name(net, net.output).items()}),
    ):
        more = kind == "output" and set(expected) < set(tensors)  # a SavedModel's function also gives what `predict_step` makes of them
        if set(tensors) != set(expected) and not more and not len(tensors) == len(expected) == 1:
            raise ExportError(f"{where} has the {kind}s {', '.join(tensors)}, the network {', '.join(expected)}; it was exported from another system")
        for name, shape in expected.items():
            sizes = (tensors[name] if name in tensors else next(iter(tensors.values()))).shape[1:]
            if len(sizes) != len(shape) - 1 or any(
                size not in (-1, wanted) and wanted is not None for size, wanted in zip(sizes, shape[1:], strict=True)
            ):
                raise ExportError(f"{where}: {name} is {list(sizes)} for each example, the network's {list(shape[1:])}; it is another run's export")


@tf.autograph.experimental.do_not_convert
def by_name(net: keras.Model, outputs: Any) -> dict[str, tf.Tensor]:
    """A network's outputs, whatever their structure, by name."""
    return dict(zip(output_names(net), tf.nest.flatten(outputs), strict=True))


class Function:
    """An exported function that is called like the Keras network it was made from.

    Args:
        net: The network, for names, structure and shapes.
        call: What runs the function.
    """

    def __init__(self, net: keras.Model, call: Call) -> None:
        self.inputs, self.input_shape, self.layers = net.inputs, net.input_shape, net.layers
        self._net = net
        self._call = call

    @tf.autograph.experimental.do_not_convert
    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """The function's outputs, in the network's structure; the same in a graph and outside."""
        if training:
            raise ExportError("an exported file can't be trained; train the run, and export it again")
        given = {each.name: tf.cast(value, each.dtype) for each, value in zip(self.inputs, tf.nest.flatten(inputs), strict=True)}
        expected = by_name(self._net, self._net.output)
        dtypes = {name: tf.as_dtype(each.dtype) for name, each in expected.items()}

        def run(*values: np.ndarray) -> list[np.ndarray]:
            found = self._call(dict(zip(given, values, strict=True)))
            return [np.asarray(found[name], dtype.as_numpy_dtype) for name, dtype in dtypes.items()]

        # TensorFlow inside a numpy_function waits for a thread of the very pool that such functions block: an agent's episodes would hang.
        found = self._call.in_graph(given) if isinstance(self._call, _Opened) else None
        if found is not None:
            outputs = [tf.cast(found[name], dtype) for name, dtype in dtypes.items()]
        else:
            outputs = tf.nest.flatten(tf.numpy_function(run, list(given.values()), list(dtypes.values())))  # outside a graph, one is no list
        batch = next(iter(given.values())).shape[:1]
        for value, each in zip(outputs, expected.values(), strict=True):
            value.set_shape(batch.concatenate(each.shape[1:]))
        return tf.nest.pack_sequence_as(self._net.output, outputs)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Refuses: it is what a Keras network is asked for other sizes by, and an exported function has but its own."""
        raise ValueError("an exported function takes the sizes it was exported for")
