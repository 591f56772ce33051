"""Gradient checkpointing: what lies within a segment of a network is computed again for the gradients, and not kept (Chen et al. 2016).

`keras.RematScope` does this layer by layer, which keeps every layer's input and so saves little where a layer is one operation; and layers that
change their state, such as batch normalisation and dropout, would change it twice. Here `tf.recompute_grad` is given whole segments as pure
functions of their inputs, weights and state, and the state changes once.
"""

from __future__ import annotations

import contextvars
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.engine import replica
from kvision.ops import segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.engine.system import System


def recomputing(system: System) -> System:
    """The same system, whose networks keep little for the gradients.

    Args:
        system: Its networks are built.

    Returns:
        A system to take training steps with: the same variables, losses and gradients.

    Raises:
        UsageError: If there is nothing to cut in any of the networks.
    """
    networks = {role: Segmented(net) for role, net in system.networks.items() if hasattr(net, "_nodes_by_depth")}
    if not any(net.segments[1:] for net in networks.values()):
        raise UsageError(f"optim.recompute: true has no effect on {system.recipe.system}, whose networks have one stage; take it out")
    return system.with_networks(networks)


@dataclass(frozen=True)
class Segment:
    """Consecutive nodes of a network's graph.

    Attributes:
        nodes: In the order in which they are computed.
        takes: Keras' tensors that come from before.
        gives: Keras' tensors that later segments or the answer take.
        weights: Trainable variables of its layers.
        state: Their other variables.
    """

    nodes: Sequence[Any]
    takes: Sequence[Any]
    gives: Sequence[Any]
    weights: Sequence[keras.Variable]
    state: Sequence[keras.Variable]

    def run(self, values: Sequence[tf.Tensor], training: bool) -> list[tf.Tensor]:
        """What it gives for what it takes."""
        known = {id(tensor): value for tensor, value in zip(self.takes, values, strict=True)}
        for node in self.nodes:
            args, kwargs = node.arguments.fill_in(known)
            if "training" in getattr(node.operation, "_call_context_args", ()):
                kwargs["training"] = training
            known |= {id(tensor): value for tensor, value in zip(node.outputs, keras.tree.flatten(node.operation(*args, **kwargs)), strict=True)}
        return [known[id(tensor)] for tensor in self.gives]

    def recompute(self, values: Sequence[tf.Tensor], training: bool) -> list[tf.Tensor]:
        """Likewise, but only `values` are kept for the gradients."""
        updates: list[dict[int, tf.Tensor]] = []
        context = contextvars.copy_context()  # which examples these are, for random layers, is forgotten by the time of the gradients

        def pure(*given: tf.Tensor) -> list[tf.Tensor]:
            inputs, weights, state = given[: len(values)], given[len(values) : len(given) - len(self.state)], given[len(given) - len(self.state) :]
            fixed = [tf.cast(tf.stop_gradient(value), variable.dtype) for variable, value in zip(self.state, state, strict=True)]
            before = [*zip(self.weights, weights, strict=True), *zip(self.state, fixed, strict=True)]
            with keras.StatelessScope(state_mapping=before) as scope:
                outputs: list[tf.Tensor] = context.run(self.run, inputs, training)
            after = [scope.get_current_value(variable) for variable in self.state]
            updates.append({place: new for place, (new, old) in enumerate(zip(after, fixed, strict=True)) if new is not old})
            return outputs

        outputs = tf.recompute_grad(pure)(*values, *map(tf.convert_to_tensor, self.weights), *map(_as_float, self.state))
        for place, value in updates[0].items():  # those of the first time: the second one is for the gradients alone
            replica.assign(self.state[place], value)
        return list(outputs)


class Segmented:
    """A functional network that is computed segment by segment; else it is what it was.

    Args:
        net: A functional model.

    Attributes:
        segments: The parts of its graph, cut where the least memory is needed.
        held: Output values of one example that are in memory at once, about.
    """

    def __init__(self, net: keras.Model) -> None:
        self._net = net
        self.segments, self.held = _cut(net)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._net, name)

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """As the network's, `[B, ...]`; outside of training it is the network's."""
        if not training:
            return self._net(inputs, training=False)
        known = dict(zip(map(id, self._net.inputs), self._net._standardize_inputs(inputs), strict=True))
        for segment in self.segments:
            values = [known[id(tensor)] for tensor in segment.takes]
            # The last segment's gradients are the first to be asked for: computing it again would save nothing.
            outputs = segment.run(values, True) if segment is self.segments[-1] else segment.recompute(values, True)
            known |= {id(tensor): value for tensor, value in zip(segment.gives, outputs, strict=True)}
        return keras.tree.pack_sequence_as(self._net._outputs_struct, [known[id(tensor)] for tensor in self._net.outputs])


def _cut(net: keras.Model) -> tuple[list[Segment], int]:
    """The segments of a network's graph, and the output values of one example that must be held."""
    by_depth = net._nodes_by_depth
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if not node.is_input]
    made_by = {id(tensor): place for place, node in enumerate(nodes) for tensor in node.outputs}
    last = {id(tensor): len(nodes) for tensor in net.outputs}
    for place, node in enumerate(nodes):
        for tensor in node.input_tensors:
            last[id(tensor)] = max(last.get(id(tensor), 0), place)
    sizes = [sum(math.prod(size or 1 for size in tensor.shape) for tensor in node.outputs) for node in nodes]
    last_uses = [max(last.get(id(tensor), place) for tensor in node.outputs) for place, node in enumerate(nodes)]
    ends = segments.best(sizes, last_uses)
    found = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        own = nodes[start:end]
        takes = {id(tensor): tensor for node in own for tensor in node.input_tensors if made_by.get(id(tensor), -1) < start}
        gives = {id(tensor): tensor for node in own for tensor in node.outputs if last.get(id(tensor), -1) >= end}
        layers = {id(node.operation): node.operation for node in own if isinstance(node.operation, keras.Layer)}
        variables = {id(variable): variable for layer in layers.values() for variable in layer.variables}
        trained = {id(variable) for layer in layers.values() for variable in layer.trainable_variables}
        weights = [variable for key, variable in variables.items() if key in trained]
        state = [variable for key, variable in variables.items() if key not in trained]
        found.append(Segment(own, list(takes.values()), list(gives.values()), weights, state))
    return found, round(segments.peak(sizes, last_uses, ends))


def _as_float(variable: keras.Variable) -> tf.Tensor:
    """A variable's value as `tf.recompute_grad` takes it: whole numbers of 32 bits as float64, which holds them all."""
    value = tf.convert_to_tensor(variable)
    return value if value.dtype.is_floating else tf.cast(value, tf.float64)
