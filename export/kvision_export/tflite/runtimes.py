"""Which runtime runs a file: what each has, what computes wrongly there, and the proof on the interpreter itself where it is installed.

Op versions alone do not tell. litert-quantizer raises none: runtime 2.14 loads its dynamic-range and int4 files and computes NaN (U-Net, 40 images).
And a transposed convolution with int8 weights and float activations, stamped for 2.4, is refused by 2.14. So these need LiteRT 2, which is where
they were proven, whatever their stamps say.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kvision.core import quiet, words
from kvision.core.errors import UsageError
from kvision_export.errors import ExportError
from kvision_export.parity import runner
from kvision_export.tflite import op_versions, probe

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from kvision_export.formats import Format
    from kvision_export.tflite.flatbuffer import FileFacts

RUNTIMES = {"2.14": "2.14", "2.17": "2.17", "litert2": op_versions.LITERT2}
"""The newest op versions that each target has, by the TensorFlow release that brought them."""
_SHARE = {"float32": (1e-4, 1e-4), "float16": (1e-4, 1e-4), "int8": (0.1, 0.01), "int4": (0.1, 0.01)}
"""Largest and mean difference allowed between two runtimes, as shares of the outputs' range, by dtype of the weights.

Float kernels differ in the order of sums (measured on the U-Net: 6e-7). Integer kernels round ties differently and the network carries it on
(measured, full int8: largest 0.026, mean 0.0026, half a step of the output).
"""
_NOTED = 0.1
"""Share of the weights in float from which on a person is told."""
_TIME_S = 300


def refusal(form: Format, runtime: str) -> str | None:
    """Why a format can't be had for a runtime, known before anything is converted; none if it can.

    Args:
        form: The format.
        runtime: As asked for.

    Returns:
        What came, what is accepted, what to do.
    """
    if runtime not in RUNTIMES:
        return _unknown(runtime)
    if form.weights == "int4" and runtime != "litert2":
        return f"{form.name} can't be had for --runtime {runtime}: there its 4-bit ops compute NaN or crash; use --runtime litert2, or tflite-int8"
    return None


def check(wanted: Sequence[Format], runtime: str) -> None:
    """Refuses what can't be had for a runtime before anything is made.

    Args:
        wanted: The formats that were asked for.
        runtime: As asked for.

    Raises:
        UsageError: If the runtime is unknown, or a format can't be had for it; says which can.
    """
    if runtime not in RUNTIMES:
        raise UsageError(_unknown(runtime))
    refused = {each: why for each in wanted if (why := refusal(each, runtime)) is not None}
    if refused:
        others = ",".join(each.short for each in wanted if each not in refused)
        raise UsageError("; ".join([*refused.values(), *([f"the others can be had: --to {others}"] if others else [])]))


def problem(facts: FileFacts, form: Format, runtime: str, *, allow_flex: bool, keep_float: Collection[str] = ()) -> str | None:
    """Why a file must not be used; none if it may.

    Args:
        facts: What stands in it.
        form: The format that it is to be.
        runtime: The oldest runtime that must run it.
        allow_flex: Whether ops of TensorFlow itself may stand in it.
        keep_float: Ops that were kept in float on purpose.

    Returns:
        What came, what is accepted, what to do.
    """
    if facts.variable_ops:
        return (
            f"{form.name}: {', '.join(facts.variable_ops)} stand in the file, and such files return NaN; a layer makes variables while it is "
            "called: make them in its build()"
        )
    foreign = facts.custom_ops + ([] if allow_flex else facts.flex_ops)
    if foreign:
        return f"{form.name}: LiteRT has no {', '.join(foreign)}; compute it otherwise, or allow TensorFlow's ops with --allow-flex"
    if op_versions.ordered(facts.minimum_runtime) > op_versions.ordered(RUNTIMES[runtime]):
        return (
            f"{form.name}: needs runtime {facts.minimum_runtime} for {', '.join(facts.newest_ops)}, and --runtime {runtime} was asked for; "
            f"use {' or '.join(_runs(facts))}, or another format"
        )
    if form.calibrated and "UNIDIRECTIONAL_SEQUENCE_LSTM" in facts.versions:
        return (
            f"{form.name}: the fused LSTM computes too coarsely in int8 (measured: up to 0.14 of the outputs' range wrong, 0.004 with dynamic range) "
            "and not at all in int16; use tflite-dynamic"
        )
    if form.weights == "int4" and "int4" not in facts.weight_dtypes:
        return f"{form.name}: no weights of this network could be stored in 4 bits; use tflite-dynamic or tflite-int8"
    edges = [tensor for part in facts.signatures.values() for tensor in (*part.inputs.values(), *part.outputs.values())]
    if form.edges == "int8" and any(tensor.dtype == "float32" for tensor in edges):
        return f"{form.name}: an input or output stayed float32, for LiteRT has no int8 form of the op at it; use tflite-int8"
    if form.edges == "int8" and facts.float_ops and not keep_float:
        return (
            f"{form.name}: {words.counted(len(facts.float_ops), 'op')} would stay in float ({words.listed(facts.float_ops, 5)}), for LiteRT has no "
            "int8 form of them; use tflite-int8, which may hold float ops, or replace these layers"
        )
    return None


def remarks(facts: FileFacts, form: Format) -> list[str]:
    """What a person should know of a file that may be used, a sentence each."""
    found = []
    if form.calibrated and facts.float_ops:
        found.append(f"{words.counted(len(facts.float_ops), 'op')} in float: {words.listed(facts.float_ops, 5)}")
    left, total = facts.weight_dtypes.get("float32", 0), sum(facts.weight_dtypes.values())
    if form.weights in ("int8", "int4") and left > _NOTED * total:
        found.append(f"{left / total:.0%} of the weights' bytes stay float32, for the converter has no smaller form of these layers")
    return found


def _unknown(runtime: str) -> str:
    return f"--runtime {runtime}: accepted are {', '.join(RUNTIMES)}"


def _runs(facts: FileFacts) -> list[str]:
    least = op_versions.ordered(facts.minimum_runtime)
    return [f"--runtime {name}" for name, has in RUNTIMES.items() if op_versions.ordered(has) >= least] or ["a newer LiteRT"]


def python_of(runtime: str) -> str | None:
    """The Python whose interpreter is that runtime: as `KVISION_RUNTIME_2_14` (or `_2_17`) names it, or this one; none if there is none."""
    named = os.environ.get(f"KVISION_RUNTIME_{runtime.replace('.', '_')}")
    if named:
        return named
    try:
        installed = metadata.version("tflite-runtime")
    except metadata.PackageNotFoundError:
        return None
    return sys.executable if installed.startswith(f"{runtime}.") else None


def prove(path: Path, facts: FileFacts, form: Format, runtime: str, inputs: Mapping[str, Mapping[str, np.ndarray]] | None = None) -> str:
    """Runs a file on an old runtime and compares with the LiteRT of this process.

    Args:
        path: The file.
        facts: What stands in it.
        form: Its format.
        runtime: `2.14` or `2.17`.
        inputs: One real input of each signature by name; what is not given is drawn from a normal distribution, but for indices: 0.

    Returns:
        What was found, for people; also where that runtime is not installed.

    Raises:
        ExportError: If it does not run there, or computes something else.
    """
    python = python_of(runtime)
    if python is None:
        return f"not proven on runtime {runtime}: not installed here (KVISION_RUNTIME_{runtime.replace('.', '_')}=/path/to/its/python names one)"
    values = sample(facts, inputs or {})
    there = _elsewhere(python, path, form, runtime, values)
    with quiet.starting():
        here = probe.run(str(path), values)
    shares = []
    for key, part in facts.signatures.items():
        for name, tensor in part.outputs.items():
            ours, theirs = (np.asarray(runner.dequantize(found[f"{key}|{name}"], tensor), np.float64) for found in (here, there))
            difference = np.abs(ours - theirs) / (np.ptp(ours) or 1.0)
            shares.append((difference.max(initial=0), difference.mean()))
    largest, mean = np.max(shares, axis=0)  # NaN if any is
    allowed = _SHARE[form.weights]
    if not (largest <= allowed[0] and mean <= allowed[1]):
        raise ExportError(
            f"{form.name}: {there['runtime']} computes something else than LiteRT {probe.interpreter()[1]}: outputs differ by up to {largest:.2g} "
            f"of their range ({mean:.2g} on average; allowed are {allowed[0]:g} and {allowed[1]:g}); use another format for --runtime {runtime}"
        )
    return f"runs on {there['runtime']}: outputs differ from LiteRT's by at most {largest:.2g} of their range, {mean:.2g} on average"


def sample(facts: FileFacts, inputs: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """One call of every signature in the file's own dtypes, by `<signature>|<input>`."""
    generator = np.random.default_rng(0)
    found = {}
    for key, part in facts.signatures.items():
        for name, tensor in part.inputs.items():
            shape = tuple(1 if size < 0 else size for size in tensor.shape)
            given = inputs.get(key, {}).get(name)
            index = not tensor.scale and np.dtype(tensor.dtype).kind in "iu"  # 0 is one that exists
            values = np.resize(given, shape) if given is not None else np.zeros(shape) if index else generator.standard_normal(shape)
            found[f"{key}|{name}"] = runner.quantize(np.asarray(values), tensor)
    return found


def _elsewhere(python: str, path: Path, form: Format, runtime: str, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs on another Python's runtime."""
    with tempfile.TemporaryDirectory(prefix="kvision-runtime-") as folder:
        given, found = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(given, **values)  # type: ignore[arg-type]
        command = [python, "-I", str(Path(probe.__file__)), str(path), str(given), str(found)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ExportError(f"{form.name}: could not be run by {python} ({error}); mend KVISION_RUNTIME_{runtime.replace('.', '_')}") from error
        if done.returncode:
            how = signal.Signals(-done.returncode).name if done.returncode < 0 else ""
            reason = how or (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ExportError(f"{form.name}: does not run on runtime {runtime} ({reason}); use another format, or --runtime litert2")
        with np.load(found) as file:
            return dict(file)
