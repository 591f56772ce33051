"""Assigning to this replica's own copy of a variable.

Every replica computes the same new value from the same reduced gradients, so each may write its own copy. That needs no merge of the replicas,
and so works inside `tf.cond`, under OneDevice and every mirrored strategy alike. Reading a variable in a replica gives its own copy anyway.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import keras
import tensorflow as tf

AnyVariable: TypeAlias = "keras.Variable | tf.Variable"


def native(variable: AnyVariable) -> Any:
    """The TensorFlow variable behind a Keras variable, or itself."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def assign(variable: AnyVariable, value: Any) -> None:
    """Writes `value` into this replica's copy."""
    target = native(variable)
    tf.raw_ops.AssignVariableOp(resource=target.handle, value=tf.cast(value, target.dtype))


def assign_add(variable: AnyVariable, value: Any) -> None:
    """Adds `value` to this replica's copy."""
    target = native(variable)
    tf.raw_ops.AssignAddVariableOp(resource=target.handle, value=tf.cast(value, target.dtype))


def assign_sub(variable: AnyVariable, value: Any) -> None:
    """Subtracts `value` from this replica's copy."""
    target = native(variable)
    tf.raw_ops.AssignSubVariableOp(resource=target.handle, value=tf.cast(value, target.dtype))


def scalar(value: Any, dtype: tf.DType, name: str) -> tf.Variable:
    """A scalar of the training's state: equal on all replicas, each of which writes its own copy."""
    return tf.Variable(value, trainable=False, dtype=dtype, name=name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
