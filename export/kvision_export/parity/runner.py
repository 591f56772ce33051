"""Runs exported files by the names in their signatures, in real numbers: what a file quantizes is quantized and dequantized by its own parameters."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kvision.core import quiet
from kvision_edge import manifest
from kvision_export.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Arrays = dict[str, np.ndarray]


class Runnable(Protocol):
    """An opened file, whatever its kind.

    Attributes:
        signatures: Its functions by name.
    """

    signatures: dict[str, manifest.Signature]

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Outputs of one function, by name, float32 where they are quantized or floats."""


class Runner:
    """A LiteRT file, on ai-edge-litert with its default kernels.

    Args:
        path: The `.tflite` file.
        threads: Of the interpreter.
        delegates: Whether XNNPACK's kernels take over, as is the default everywhere; else the plain ones compute.

    Attributes:
        path: The file.
        signatures: As the file has them; a size that is left open is -1.

    Raises:
        ExportError: If this is no such file, it is damaged, the runtime here can't run it, or it names no signatures.
    """

    def __init__(self, path: Path, threads: int = 1, *, delegates: bool = True) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self.path = path
        kernels = OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            with quiet.starting():
                self._interpreter = Interpreter(str(path), num_threads=threads, experimental_op_resolver_type=kernels)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ExportError(f"{path}: {_reason(error)}") from error
        names = list(self._interpreter.get_signature_list())
        if not names:
            raise ExportError(f"{path}: names no signatures, so its inputs and outputs can't be told apart; export it again with `kvision export`")
        self._functions = {name: self._interpreter.get_signature_runner(name) for name in names}
        self.signatures = {name: _signature(function) for name, function in self._functions.items()}
        self._busy = threading.Lock()

    def run_raw(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """One call, in the file's own dtypes and shapes.

        Args:
            signature: Name of a function.
            inputs: By name, of the file's dtypes.

        Returns:
            Copies of the outputs, by name.

        Raises:
            ExportError: If the function does not exist, takes other inputs, or fails.
        """
        expected = self._named(signature).inputs
        if set(inputs) != set(expected):
            raise ExportError(f"{self.path}: {signature} takes {', '.join(expected)}, got {', '.join(inputs)}")
        try:
            with self._busy:  # the interpreter gives up Python's lock while it computes
                return {name: np.array(value) for name, value in self._functions[signature](**inputs).items()}
        except (ValueError, RuntimeError) as error:
            shapes = ", ".join(f"{name} {value.dtype}{list(value.shape)}" for name, value in inputs.items())
            raise ExportError(f"{self.path}: {signature} fails on {shapes}: {str(error).strip()}") from error

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Runs a batch in real numbers; a file made for another batch size is run on as many examples as it takes, one call after the other.

        Args:
            signature: Name of a function.
            inputs: `[B, ...]` by name, real values (whole numbers where the file takes whole numbers).

        Returns:
            `[B, ...]` by name; float32, but for outputs that are whole numbers and not quantized.
        """
        found = self._named(signature)
        count = _batch(inputs)
        each = min((tensor.shape[0] for tensor in found.inputs.values() if tensor.shape), default=-1)
        step = count if each < 1 else each
        parts = []
        for start in range(0, count, max(step, 1)):
            taken = {name: _filled(value[start : start + step], step) for name, value in inputs.items()}
            raw = self.run_raw(signature, {name: quantize(value, found.inputs[name]) for name, value in taken.items() if name in found.inputs})
            parts.append({name: dequantize(value, found.outputs[name])[: count - start] for name, value in raw.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in found.outputs}

    def _named(self, signature: str) -> manifest.Signature:
        if signature not in self.signatures:
            raise ExportError(f"{self.path}: has no signature {signature}; it has {', '.join(self.signatures)}")
        return self.signatures[signature]


class Pool:
    """Several single-threaded interpreters of one file, between which the examples of a batch are shared: faster than one with several threads.

    Args:
        path: The `.tflite` file.
        size: Interpreters.

    Attributes:
        signatures: As `Runner`.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._runners = [Runner(path) for _ in range(size)]
        self.signatures = self._runners[0].signatures
        self._threads = ThreadPoolExecutor(size)

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """As `Runner.run`."""
        places = [part for part in np.array_split(np.arange(_batch(inputs)), len(self._runners)) if len(part)]
        shares = [{name: value[part] for name, value in inputs.items()} for part in places]
        parts = list(self._threads.map(lambda runner, share: runner.run(signature, share), self._runners, shares))
        return {name: np.concatenate([part[name] for part in parts]) for name in self.signatures[signature].outputs}


class SavedModel:
    """A SavedModel folder, by TensorFlow.

    Args:
        path: The folder with `saved_model.pb`.

    Attributes:
        path: The folder.
        signatures: As the SavedModel has them.

    Raises:
        ExportError: If it can't be loaded.
    """

    def __init__(self, path: Path) -> None:
        import tensorflow as tf

        self.path = path
        try:
            self._loaded = tf.saved_model.load(str(path))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise ExportError(f"{path}: can't be loaded as a SavedModel ({str(error).splitlines()[0]}); export it again") from error
        self._functions: Mapping[str, Any] = self._loaded.signatures
        self.signatures = {name: _graph_signature(function) for name, function in self._functions.items()}

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Runs a batch.

        Args:
            signature: Name of a function.
            inputs: `[B, ...]` by name.

        Returns:
            `[B, ...]` by name.

        Raises:
            ExportError: If the function does not exist, or fails.
        """
        import tensorflow as tf

        if signature not in self._functions:
            raise ExportError(f"{self.path}: has no signature {signature}; it has {', '.join(self._functions)}")
        try:
            outputs = self._functions[signature](**{name: tf.constant(value) for name, value in inputs.items()})
        except (TypeError, ValueError, tf.errors.OpError) as error:
            raise ExportError(f"{self.path}: {signature} fails: {str(error).strip().splitlines()[0]}") from error
        return {name: value.numpy() for name, value in outputs.items()}

    def call(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """As `run`, of tensors, in a graph."""
        return dict(self._functions[signature](**inputs))


def open_file(path: Path) -> Runnable:
    """Opens an exported file, to run it on all cores: a folder is a SavedModel, anything else a LiteRT file.

    Args:
        path: The file or folder.

    Returns:
        It, ready to run.
    """
    return SavedModel(path) if path.is_dir() else Pool(path, len(os.sched_getaffinity(0)))


def quantize(value: np.ndarray, tensor: manifest.Tensor) -> np.ndarray:
    """Real values in a tensor's own dtype: `round(value / scale) + zero_point`, clipped; unchanged values where it is not quantized."""
    dtype = np.dtype(tensor.dtype)
    if not tensor.scale:
        return value.astype(dtype)
    limits = np.iinfo(dtype)
    steps = np.round(value / _along(tensor.scale, tensor, value.ndim)) + _along(tensor.zero_point, tensor, value.ndim)
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def dequantize(value: np.ndarray, tensor: manifest.Tensor) -> np.ndarray:
    """Real values of a tensor's own: `(value - zero_point) * scale`, float32; floats as float32, whole numbers that are not quantized unchanged."""
    if not tensor.scale:
        return value.astype(np.float32) if value.dtype.kind == "f" else value
    steps = value.astype(np.float32) - _along(tensor.zero_point, tensor, value.ndim)
    return (steps * _along(tensor.scale, tensor, value.ndim)).astype(np.float32)


def tensor_facts(details: Mapping[str, Any]) -> manifest.Tensor:
    """What an interpreter says of a tensor, as the manifest writes it."""
    parameters = details["quantization_parameters"]
    scales, zeros = (tuple(np.asarray(parameters[name]).tolist()) for name in ("scales", "zero_points"))
    shape = tuple(int(size) for size in details["shape_signature"])
    return manifest.Tensor(shape, np.dtype(details["dtype"]).name, scales, zeros, int(parameters["quantized_dimension"]))


def _along(values: tuple[float, ...], tensor: manifest.Tensor, rank: int) -> np.ndarray:
    """Parameters of a tensor, shaped to be broadcast along its quantized dimension."""
    array = np.asarray(values, np.float32)
    return array if array.size == 1 else array.reshape([-1 if axis == tensor.axis else 1 for axis in range(rank)])


def _signature(function: Any) -> manifest.Signature:
    inputs, outputs = function.get_input_details(), function.get_output_details()
    return manifest.Signature(
        {name: tensor_facts(details) for name, details in inputs.items()}, {name: tensor_facts(details) for name, details in outputs.items()}
    )


def _graph_signature(function: Any) -> manifest.Signature:
    def facts(spec: Any) -> manifest.Tensor:
        shape = tuple(-1 if size is None else int(size) for size in (spec.shape if spec.shape.rank is not None else ()))
        return manifest.Tensor(shape, spec.dtype.name)

    inputs = {name: facts(spec) for name, spec in function.structured_input_signature[1].items()}
    return manifest.Signature(inputs, {name: facts(spec) for name, spec in function.structured_outputs.items()})


def _batch(inputs: Mapping[str, np.ndarray]) -> int:
    return next((len(value) for value in inputs.values() if value.ndim), 1)


def _filled(value: np.ndarray, count: int) -> np.ndarray:
    """The first dimension brought to `count` by repeating the last example."""
    return value if len(value) == count else np.concatenate([value, np.repeat(value[-1:], count - len(value), axis=0)])


def _reason(error: Exception) -> str:
    """Why a file can't be opened, and what to do, from what the interpreter says."""
    text = " ".join(str(error).split())
    if "Could not open" in text:
        return "no such file; give one that `kvision export` made"
    if "op builtin_code" in text or "Didn't find op" in text:
        return f"needs an operation that the LiteRT installed here does not have ({text}); update ai-edge-litert, or export it again"
    if any(word in text for word in ("Flatbuffer", "schema version", "mmap", "identifier")):
        return f"is no LiteRT file, or a damaged one ({text}); copy it again, or export it again"
    return f"can't be run by LiteRT ({text}); export it again"
