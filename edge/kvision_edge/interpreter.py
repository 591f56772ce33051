"""The LiteRT interpreter that is installed: ai-edge-litert, else tflite-runtime, else TensorFlow's own."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import threading
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np

from kvision_edge import flatbuffer, manifest, quantization, quiet
from kvision_edge.errors import BundleError, RunnerError, UsageError, line

ENGINES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}
"""Distributions that bring an interpreter, best first, and where it is."""
LITERT_LEVELS = {1: (2, 18), 2: (2, 21)}
"""The TensorFlow release whose ops each major version of LiteRT has at least."""
FAILURES = (ValueError, RuntimeError, MemoryError)
"""What the interpreters raise."""
INSTALL = "install one: `pip install ai-edge-litert`, or on older systems `pip install tflite-runtime 'numpy<2'`"

Arrays = Dict[str, np.ndarray]


@dataclass(frozen=True)
class Engine:
    """An interpreter that can be imported.

    Attributes:
        name: Of its distribution.
        version: Of its distribution.
        module: With `Interpreter` in it.
    """

    name: str
    version: str
    module: Any

    @property
    def level(self) -> Tuple[int, ...]:
        """The TensorFlow release whose ops it has."""
        version = _numbers(self.version)
        if self.name == "ai-edge-litert":
            return LITERT_LEVELS.get(version[0] if version else 1, version if version > (2,) else (2, 18))
        return version[:2]

    def start(self, content: bytes, threads: int, xnnpack: bool) -> Any:
        """An interpreter of a file, ready to compute."""
        options = {} if xnnpack else {"experimental_op_resolver_type": self.module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
        with quiet.starting():
            started = self.module.Interpreter(model_content=content, num_threads=threads, **options)
            started.allocate_tensors()
        return started


def find(name: str = "") -> Engine:
    """The interpreter to use.

    Args:
        name: One of `ENGINES`; empty: the first that is installed.

    Returns:
        It, imported.

    Raises:
        UsageError: If there is no interpreter of that name.
        RunnerError: If none is installed, or it can't be loaded; says what to install.
    """
    if name and name not in ENGINES:
        raise UsageError(f"interpreter {name}: accepted are {', '.join(ENGINES)}")
    problems: List[str] = []
    for each in [name] if name else list(ENGINES):
        try:
            module = importlib.import_module(ENGINES[each])
            return Engine(each, _version(each), module)
        except ModuleNotFoundError as error:
            if error.name is not None and not ENGINES[each].startswith(error.name):
                problems.append(f"{each} is installed but lacks {error.name}")
        except (ImportError, AttributeError, OSError) as error:  # built for another numpy or another processor
            problems.append(f"{each} is installed but can't be loaded ({str(error).splitlines()[0]})")
    found = f"{'; '.join(problems)}; " if problems else ""
    raise RunnerError(f"{found}no {name or 'LiteRT'} interpreter here; {INSTALL}")


class Runner:
    """A LiteRT file, ready to run; calls from several threads take turns.

    Args:
        content: The bytes of the file.
        where: What to call it in messages.
        minimum: Oldest runtime that the manifest asks for; empty: any.
        threads: Of the interpreter.
        xnnpack: Whether XNNPACK computes what it can.
        interpreter: One of `ENGINES`; empty: the first that is installed.

    Attributes:
        engine: The interpreter that is used.
        signatures: The functions of the file; a size that is left open is -1.
        facts: What the file holds.
        threads: Of the interpreter.
        seconds: Spent in the interpreter so far.

    Raises:
        BundleError: If this is no LiteRT file, or a damaged one; nothing of it has run.
        RunnerError: If there is no interpreter, or it can't run this file.
    """

    def __init__(self, content: bytes, where: str, *, minimum: str = "", threads: int = 1, xnnpack: bool = True, interpreter: str = "") -> None:
        self.facts = flatbuffer.verify(content, where)
        self.engine = find(interpreter)
        self.threads, self.seconds = threads, 0.0
        self._where = where
        if _numbers(minimum) > self.engine.level:
            level = ".".join(map(str, self.engine.level))
            raise RunnerError(
                f"{where}: needs a runtime with the ops of TensorFlow {minimum}; {self.engine.name} {self.engine.version} has those of {level}: "
                "upgrade it (`pip install -U ai-edge-litert`), or export with `--runtime` for the one on this device"
            )
        try:
            self.interpreter = self.engine.start(content, threads, xnnpack)
            names = list(self.interpreter.get_signature_list())
            self._functions = {name: self.interpreter.get_signature_runner(name) for name in names}
            self.signatures = {name: _signature(function) for name, function in self._functions.items()}
        except FAILURES as error:
            raise RunnerError(f"{where}: {self.engine.name} {self.engine.version} can't run it ({line(error)}); {_advice(str(error))}") from error
        if not names:
            raise BundleError(f"{where}: names no signatures; export it again with `kvision export`")
        self._busy = threading.Lock()

    def raw(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """One call, in the file's own dtypes and shapes.

        Args:
            signature: Name of a function.
            inputs: By name, of the file's dtypes.

        Returns:
            The outputs by name.

        Raises:
            UsageError: If the function does not exist, or takes other inputs.
            RunnerError: If the interpreter fails.
        """
        taken = self._named(signature).inputs
        if set(inputs) != set(taken):
            raise UsageError(f"{self._where}: {signature} takes {', '.join(taken)}, got {', '.join(inputs) or 'nothing'}")
        for name, value in inputs.items():
            wanted = taken[name].shape
            if value.ndim != len(wanted) or any(size not in (-1, found) for size, found in zip(wanted, value.shape)):
                raise UsageError(f"{self._where}: {name} of {signature} must be {list(wanted)}, got {list(value.shape)}")
        try:
            with self._busy:  # the interpreter gives up Python's lock while it computes
                started = time.perf_counter()
                outputs = dict(self._functions[signature](**inputs))
                self.seconds += time.perf_counter() - started
                return outputs
        except FAILURES as error:
            raise RunnerError(f"{self._where}: {signature} fails ({line(error)})") from error

    def __call__(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """One call in real numbers, which are quantized and dequantized by the parameters in the file.

        Values that are of the file's dtype already are taken as they are.

        Args:
            signature: Name of a function.
            inputs: By name.

        Returns:
            The outputs by name: float32 where they are quantized or floats.

        Raises:
            UsageError: If the function does not exist, or takes other inputs.
            RunnerError: If the interpreter fails.
        """
        found = self._named(signature)
        taken = {name: quantization.stored(value, found.inputs[name]) if name in found.inputs else value for name, value in inputs.items()}
        return {name: quantization.real(value, found.outputs[name]) for name, value in self.raw(signature, taken).items()}

    def operators(self) -> Optional[Dict[str, int]]:
        """How often each op occurs in what the interpreter really runs, delegates included; none where it does not say."""
        listed = getattr(self.interpreter, "_get_ops_details", None)
        if listed is None:
            return None
        counts: Dict[str, int] = {}
        for each in listed():
            counts[each["op_name"]] = counts.get(each["op_name"], 0) + 1
        return counts

    def _named(self, signature: str) -> manifest.Signature:
        if signature not in self.signatures:
            raise UsageError(f"{self._where}: has no signature {signature}; it has {', '.join(self.signatures)}")
        return self.signatures[signature]


def _signature(function: Any) -> manifest.Signature:
    inputs, outputs = function.get_input_details(), function.get_output_details()
    return manifest.Signature({name: _tensor(each) for name, each in inputs.items()}, {name: _tensor(each) for name, each in outputs.items()})


def _tensor(details: Mapping[str, Any]) -> manifest.Tensor:
    parameters = details["quantization_parameters"]
    scale, zero_point = (tuple(np.asarray(parameters[name]).tolist()) for name in ("scales", "zero_points"))
    shape = tuple(int(size) for size in details.get("shape_signature", details["shape"]))
    return manifest.Tensor(shape, np.dtype(details["dtype"]).name, scale, zero_point, int(parameters["quantized_dimension"]))


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # a build of one's own
        return "0"


def _numbers(version: str) -> Tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found.group().split("."))[:2] if found else ()


def _advice(reason: str) -> str:
    if any(mark in reason.lower() for mark in ("op builtin_code", "didn't find op", "custom op")):  # runtimes differ in capitals
        return "it lacks that operation: upgrade it, or export with `--runtime` for the one on this device"
    return "export it again, or give another `format` of the bundle"
