"""One version of a model, loaded as TF Serving loads it: a session on the graph of the SavedModel, fed and fetched by tensor names."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision_export.serving.server.config import Batching, read_batching
from kvision_export.serving.server.status import Code, StatusError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DEFAULT_SIGNATURE = "serving_default"
_SHORT = {"float32": "float", "float64": "double", "float16": "half"}


def dtype_name(dtype: int | np.dtype) -> str:
    """TensorFlow's name of a dtype, as its C++ prints it: `float`, `double`, `int32`, `string`.

    Args:
        dtype: A number of the enum `DataType`, or numpy's; objects are strings.

    Returns:
        The name.
    """
    import tensorflow as tf

    name = str(tf.as_dtype(dtype).name)
    return _SHORT.get(name, name)


def array_dtype(array: np.ndarray) -> str:
    """The same of an array, told by numpy alone: for the path of every request."""
    return "string" if array.dtype == object else _SHORT.get(array.dtype.name, array.dtype.name)


class Model:
    """A loaded version.

    Attributes:
        name: Of the model.
        version: Of this version.
        folder: Where it lies.
        batching: How its requests are merged.
        signatures: `SignatureDef` by name.
    """

    def __init__(self, name: str, version: int, folder: Path, batching: Batching, timeout_s: float) -> None:
        """Loads it.

        Args:
            name: Of the model.
            version: Of this version.
            folder: A SavedModel with the tag `serve`.
            batching: Unless the folder has a `batching_params.pbtxt`.
            timeout_s: After which TensorFlow gives up a computation.

        Raises:
            StatusError: If it can't be loaded.
        """
        import tensorflow as tf

        self.name, self.version, self.folder = name, version, folder
        parameters = folder / "batching_params.pbtxt"
        self.batching = read_batching(parameters, batching) if parameters.is_file() else batching
        if not any((folder / file).is_file() for file in ("saved_model.pb", "saved_model.pbtxt")):
            raise StatusError(
                Code.NOT_FOUND,
                f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {folder}. Check that the directory exists and "
                "that you have the right permissions for accessing it.",
            )
        graph = tf.Graph()
        with graph.as_default():
            self._session = tf.compat.v1.Session(graph=graph)
            try:
                graph_def = _load(self._session, folder)
            except BaseException:
                self._session.close()
                raise
        self.signatures: Mapping[str, Any] = graph_def.signature_def
        self._timeout_ms = max(1, int(timeout_s * 1000))
        self._uses = 0
        self._idle = threading.Condition()
        self._callable = functools.lru_cache(maxsize=64)(self._make_callable)

    def dtypes(self, signature: str) -> dict[str, str]:
        """The dtypes of a signature's inputs, for REST.

        Args:
            signature: Its name; empty for the default.

        Returns:
            TensorFlow's names by input.

        Raises:
            StatusError: If there is no such signature.
        """
        name = signature or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise invalid(f'Serving signature name: "{name}" not found in signature def')
        return {alias: dtype_name(info.dtype) for alias, info in self.signatures[name].inputs.items()}

    def run(self, signature: str, inputs: Mapping[str, np.ndarray], outputs: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Computes outputs of a signature.

        Args:
            signature: Its name.
            inputs: An array for each input.
            outputs: Which outputs, in any order.

        Returns:
            An array for each of them.

        Raises:
            StatusError: With TensorFlow's code and message.
        """
        definition = self.signatures[signature]
        aliases = tuple(sorted(definition.inputs))
        for index, alias in enumerate(aliases):
            wanted, given = dtype_name(definition.inputs[alias].dtype), array_dtype(inputs[alias])
            if wanted != given:
                raise invalid(f"Expects arg[{index}] to be {wanted} but {given} is provided")
        fetched = tuple(sorted(outputs))
        try:
            values = self._callable(signature, aliases, fetched)(*(inputs[alias] for alias in aliases))
        except UnicodeDecodeError as error:  # TensorFlow's own error quotes bytes of the request, which its binding takes for text: its code is lost
            raise invalid(error.object.decode("utf-8", "replace")) from None
        except Exception as error:
            code = getattr(error, "error_code", Code.INTERNAL)
            raise StatusError(Code(code), str(getattr(error, "message", None) or error)) from None
        return dict(zip(fetched, _as_arrays(values, definition, fetched), strict=True))

    def _make_callable(self, signature: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Any:
        from tensorflow.core.protobuf import config_pb2

        definition = self.signatures[signature]
        options = config_pb2.CallableOptions()
        options.feed.extend(definition.inputs[alias].name for alias in inputs)
        options.fetch.extend(definition.outputs[alias].name for alias in outputs)
        options.run_options.timeout_in_ms = self._timeout_ms
        # The public make_callable checks and casts what is fed in Python; this one goes straight to the session, as TF Serving does.
        return self._session._make_callable_from_options(options)

    def __enter__(self) -> Model:
        with self._idle:
            self._uses += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._idle:
            self._uses -= 1
            self._idle.notify_all()

    def close(self) -> None:
        """Unloads it once nothing uses it."""
        with self._idle:
            self._idle.wait_for(lambda: self._uses == 0)
        self._callable.cache_clear()
        self._session.close()


def _load(session: Any, folder: Path) -> Any:
    """Reads graph and weights into a session, without the notice that this loader is TensorFlow 1's."""
    import tensorflow as tf
    from tensorflow.python.platform import tf_logging

    level = tf_logging.get_verbosity()
    tf_logging.set_verbosity(tf_logging.ERROR)
    try:
        return tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
    finally:
        tf_logging.set_verbosity(level)


def _as_arrays(values: list[Any], definition: Any, outputs: tuple[str, ...]) -> Iterator[np.ndarray]:
    """Scalars come back as numpy scalars or bytes, which are arrays without dimensions here."""
    for value, alias in zip(values, outputs, strict=True):
        if isinstance(value, np.ndarray):
            yield value
        elif dtype_name(definition.outputs[alias].dtype) == "string":
            scalar = np.empty((), object)
            scalar[()] = value
            yield scalar
        else:
            yield np.asarray(value)
