"""The bodies of `:predict`, `:classify` and `:regress` (json_tensor.cc)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvision_export.serving.server.json_tensor import Flat, as_array, decode_base64, flatten, is_base64, type_name
from kvision_export.serving.server.pretty import debug, is_integer
from kvision_export.serving.server.rapidjson import parse
from kvision_export.serving.server.status import StatusError, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import tensorflow as tf


class Layout(enum.Enum):
    """How a body gives its tensors; the answer comes in the same way."""

    ROWS = "instances"
    COLUMNS = "inputs"


@dataclass(frozen=True)
class Predict:
    """What a body of `:predict` asks for."""

    signature: str
    inputs: dict[str, np.ndarray]
    layout: Layout


def predict(body: bytes, dtypes_of: Callable[[str], Mapping[str, str]]) -> Predict:
    """Reads a body of `:predict`.

    Args:
        body: JSON.
        dtypes_of: From the name of a signature, empty for the default, to the dtypes of its inputs by name.

    Returns:
        What is asked for.

    Raises:
        StatusError: If anything in it does not fit; what `dtypes_of` raises.
    """
    document, signature = _document(body)
    dtypes = dtypes_of(signature)
    if not dtypes:
        raise invalid(f"Failed to get input map for signature: {signature or 'DEFAULT'}")
    if "instances" in document and "inputs" in document:
        raise _format(document, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")
    if "instances" in document:
        rows = document["instances"]
        if not isinstance(rows, list):
            raise _format(document, "Expecting 'instances' to be an list/array")
        if not rows:
            raise _format(document, "No values in 'instances' array")
        return Predict(signature, _from_rows(rows, dtypes), Layout.ROWS)
    if "inputs" in document:
        return Predict(signature, _from_columns(document["inputs"], dtypes), Layout.COLUMNS)
    raise invalid("Missing 'inputs' or 'instances' key")


def _document(body: bytes) -> tuple[dict[str, Any], str]:
    """The object that a body is, and the signature that it names."""
    document = parse(body)
    if not isinstance(document, dict):
        raise _format(document, "Is not object")
    signature = document.get("signature_name", "")
    if not isinstance(signature, str):
        raise _format(document, "not formatted correctly. 'signature_name' key must be a string value.")
    return document, signature


def _format(value: object, message: str) -> StatusError:
    return invalid(f"JSON Value: {debug(value)} {message}")


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _from_rows(rows: list[Any], dtypes: Mapping[str, str]) -> dict[str, np.ndarray]:
    if not isinstance(rows[0], dict) and len(dtypes) > 1:
        raise invalid("instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map")
    named = _is_named(rows[0])
    tensors: dict[str, list[Flat]] = {}
    for index, row in enumerate(rows):
        if named and not _is_named(row):
            raise invalid(f"Expecting object but got list at item {index} of input list")
        if not named and _is_named(row):
            raise invalid(f"Expecting value/list but got object at item {index} of input list")
        for name, value in (row if named else {min(dtypes): row}).items():
            try:
                _add_row(tensors, name, value, dtypes)
            except StatusError as error:
                key = f" key: {name}" if named else ""
                raise invalid(f"Failed to process element: {index}{key} of 'instances' list. Error: {error}") from None
        if named and row.keys() != dtypes.keys():
            wanted = ",".join(sorted(dtypes))
            raise invalid(f"Failed to process element: {index} of 'instances' list. JSON object: {debug(row)} keys must be equal to: {wanted}")
    return {
        name: as_array([value for row in flat for value in row.values], (len(flat), *flat[0].shape), dtypes[name]) for name, flat in tensors.items()
    }


def _add_row(tensors: dict[str, list[Flat]], name: str, value: object, dtypes: Mapping[str, str]) -> None:
    if name not in dtypes:
        raise invalid(f"JSON object: does not have named input: {name}")
    flat = flatten(value, dtypes[name])
    so_far = tensors.setdefault(name, [])
    if so_far:
        first = so_far[0]
        if len(first.values) != len(flat.values):
            raise invalid(f"Expecting tensor size: {len(first.values)} but got: {len(flat.values)}")
        if first.shape != flat.shape:
            raise invalid(f"Expecting shape {_shape(first)} but got: {_shape(flat)}")
    so_far.append(flat)


def _shape(flat: Flat) -> str:
    return f"[{','.join(map(str, flat.shape))}]"


def _from_columns(value: object, dtypes: Mapping[str, str]) -> dict[str, np.ndarray]:
    if not isinstance(value, dict) or is_base64(value):
        if len(dtypes) > 1:
            raise invalid("inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map")
        ((name, dtype),) = dtypes.items()
        return {name: flatten(value, dtype).array(dtype)}
    tensors = {}
    for name, dtype in dtypes.items():
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        tensors[name] = flatten(value[name], dtype).array(dtype)
    return tensors


def examples(body: bytes) -> tuple[str, list[tf.train.Example], tf.train.Example | None]:
    """Reads a body of `:classify` or `:regress`.

    Args:
        body: JSON.

    Returns:
        The signature's name, empty for the default; the examples; the context that they share, if any.

    Raises:
        StatusError: If anything in it does not fit.
    """
    document, signature = _document(body)
    context = _example(document["context"]) if "context" in document else None
    if "examples" not in document:
        raise _format(document, "When method is classify, key 'examples' is expected and was not found")
    rows = document["examples"]
    if not isinstance(rows, list):
        raise _format(document, "Expecting 'examples' value to be an list/array")
    if not rows:
        raise _format(document, "'examples' value is an empty array")
    return signature, [_example(row) for row in rows], context


def _example(value: object) -> tf.train.Example:
    import tensorflow as tf

    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    example = tf.train.Example()
    for name, content in value.items():
        feature = example.features.feature[name]
        for each in content if isinstance(content, list) else [content]:
            _add_feature(feature, name, each)
    return example


def _add_feature(feature: tf.train.Feature, name: str, value: object) -> None:
    """Adds one value; the first one decides of what kind a feature is."""
    if value is None or isinstance(value, list) or (isinstance(value, dict) and not is_base64(value)):
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")
    kept: Any
    if isinstance(value, (dict, str)):
        kind, kept = "bytes", value.encode("utf-8", "surrogateescape") if isinstance(value, str) else decode_base64(value)
    elif isinstance(value, bool) or is_integer(value, -(2**63), 2**64 - 1):
        kind, kept = "int64", int(value)  # type: ignore[call-overload]
    else:
        kind, kept = "float", _as_float(value)  # type: ignore[arg-type]
    already = feature.WhichOneof("kind")
    if already not in (None, f"{kind}_list"):
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {already.removesuffix('_list')}")
    if kind == "int64" and kept >= 2**63:
        raise invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    getattr(feature, f"{kind}_list").value.append(kept)


def _as_float(value: float) -> float:
    """A double as the nearest float32, infinite beyond its range, as C casts it."""
    import numpy as np

    with np.errstate(over="ignore"):
        return float(np.float64(value).astype(np.float32))
