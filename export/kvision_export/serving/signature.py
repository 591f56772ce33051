"""What a client must know of a served function: the names and dtypes of its inputs and outputs, from the server's metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision_export.serving.retrying import ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping

STRING = "DT_STRING"
BYTES = "_bytes"
"""Ending of the names of outputs that are bytes, not text."""
_NUMPY = {
    "DT_FLOAT": np.float32,
    "DT_DOUBLE": np.float64,
    "DT_INT64": np.int64,
    "DT_INT32": np.int32,
    "DT_INT16": np.int16,
    "DT_INT8": np.int8,
    "DT_UINT8": np.uint8,
    "DT_UINT16": np.uint16,
    "DT_UINT32": np.uint32,
    "DT_UINT64": np.uint64,
    "DT_BOOL": np.bool_,
    STRING: np.str_,
}


@dataclass(frozen=True)
class Served:
    """A function that takes encoded images.

    Attributes:
        name: Of the signature.
        image: Name of its only input.
        outputs: Dtypes by name, as TensorFlow writes them: `DT_FLOAT` ...
    """

    name: str
    image: str
    outputs: Mapping[str, str]

    def array(self, name: str, value: Any) -> np.ndarray:
        """An output's value as numpy has it, text as `str`."""
        return np.asarray(value, dtype=_NUMPY.get(self.outputs.get(name, "")))


def served(metadata: Mapping[str, Any], name: str, where: str) -> Served:
    """Finds a signature that encoded images can be sent to.

    Args:
        metadata: As the server's REST API gives it.
        name: Of the signature.
        where: The model's address, for messages.

    Returns:
        What to send and to expect.

    Raises:
        ClientError: If there is no such signature, or it does not take encoded images; names those there are.
    """
    found = {key: value for key, value in metadata["metadata"]["signature_def"]["signature_def"].items() if not key.startswith("__")}
    fitting = [key for key, value in found.items() if _image_input(value)]
    if name not in fitting:
        why = "takes no encoded images" if name in found else "is not there"
        raise ClientError(f"{where}: signature {name} {why}; those that do: {', '.join(sorted(fitting)) or 'none of this model'}")
    outputs = {key: str(value["dtype"]) for key, value in found[name]["outputs"].items()}
    return Served(name, _image_input(found[name]), outputs)


def _image_input(signature: Mapping[str, Any]) -> str:
    inputs = signature["inputs"]
    return next(iter(inputs)) if len(inputs) == 1 and next(iter(inputs.values()))["dtype"] == STRING else ""
