"""Where the time of a network goes, operation by operation, on LiteRT and on OpenVINO: the account of `inference.py`.

    python inference_profile.py FILE.tflite     or, with OpenVINO's environment,     python inference_profile.py FILE.onnx

prints JSON: microseconds by kind of operation, of each the least of many calls with one thread. LiteRT's profiler is reached through its C API, for
its Python API has none.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

CALLS = 60
CPU = 1
MODELS = ("unet64-fp32", "unet64-int8-kept", "unet64-int8", "unet128-fp32", "unet128-int8-kept", "unet128-int8")
KINDS = {
    "3x3 convolution": r"^Convolution",
    "transposed convolution": r"^Deconvolution",
    "1x1 convolution": r"^Fully Connected|1x1",
    "depth to space": r"^Depth ?To ?Space",
    "concatenation": r"^Copy|^Concat",
    "pooling": r"^Max ?Pool|^Pooling",
}
_EVENT = re.compile(r"Delegate/(.*?)\s+[\d.]+\s+([\d.]+)\s+[\d.]+\s+[\d.]+%.*\[Delegate\]:(\d+)")


def account(folder: Path, peers: str) -> dict[str, dict[str, dict[str, float]]]:
    """Microseconds by model, runtime and kind of operation."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for model in MODELS:
        found[model] = {"litert": _asked(sys.executable, folder / f"{model}.tflite")}
        if (folder / f"{model}.onnx").exists():
            found[model]["openvino"] = _asked(peers, folder / f"{model}.onnx")
    return found


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """In Markdown."""
    lines = [f"| microseconds, 1 thread | {' | '.join(KINDS)} | other | all |", "|---" * (len(KINDS) + 3) + "|"]
    for model, runtimes in found.items():
        for runtime, row in runtimes.items():
            cells = [f"{row.get(kind, 0):.0f}" for kind in (*KINDS, "other")]
            lines.append(f"| {model}, {runtime} | {' | '.join(cells)} | {sum(row.values()):.0f} |")
    return "\n".join(lines)


def _asked(python: str, path: Path) -> dict[str, float]:
    command = [python, str(Path(__file__)), str(path)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def _by_kind(nodes: dict[str, float]) -> Counter[str]:
    """Microseconds by kind, of nodes named `number kind`."""
    found: Counter[str] = Counter()
    for node, microseconds in nodes.items():
        name = node.split(" ", 1)[1]
        found[next((kind for kind, pattern in KINDS.items() if re.search(pattern, name)), "other")] += microseconds
    return found


class Litert:
    """LiteRT's C API, as far as it takes to profile a file with one input and one output.

    Args:
        path: The `.tflite` file.
    """

    def __init__(self, path: Path) -> None:
        import ai_edge_litert

        self._library = ctypes.CDLL(str(Path(ai_edge_litert.__path__[0]) / "libLiteRt.so"))
        self._free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda payload: None)
        zero, environment = ctypes.c_size_t(0), self._made("CreateEnvironment", 0, None)
        model = self._made("CreateModelFromFile", environment, str(path).encode())
        options = self._made("CreateOptions")
        self._call("SetOptionsHardwareAccelerators", options, CPU)
        for name, text in ((b"runtime_options_string", b"enable_profiling = true\n"), (b"xnnpack", b"num_threads = 1\n")):
            self._call("AddOpaqueOptions", options, self._made("CreateOpaqueOptions", name, ctypes.c_char_p(text), self._free))
        self._model = self._made("CreateCompiledModel", environment, model, options)
        signature = self._made("GetModelSignature", model, zero)
        self._buffers = []
        for kind in ("Input", "Output"):
            tensor = self._made(f"GetSignature{kind}TensorByIndex", signature, zero)
            ranked = ctypes.create_string_buffer(256)
            self._call("GetRankedTensorType", tensor, ranked)
            needed = self._made(f"GetCompiledModel{kind}BufferRequirements", self._model, zero, zero)
            made = self._made("CreateManagedTensorBufferFromRequirements", environment, ranked, needed)
            self._buffers.append((ctypes.c_void_p * 1)(made))
        self._profiler = self._made("CompiledModelGetProfiler", self._model)

    def nodes(self) -> dict[str, float]:
        """Microseconds of one call, by node."""
        zero, one = ctypes.c_size_t(0), ctypes.c_size_t(1)
        self._call("ResetProfiler", self._profiler)
        self._call("StartProfiler", self._profiler)
        self._call("RunCompiledModel", self._model, zero, one, self._buffers[0], one, self._buffers[1])
        self._call("StopProfiler", self._profiler)
        text = ctypes.c_char_p()
        self._call("GetProfileSummary", self._profiler, self._model, ctypes.byref(text))
        in_order = (text.value or b"").decode().split("Top by")[0]
        return {f"{number} {kind}": float(ms) * 1e3 for kind, ms, number in _EVENT.findall(in_order)}

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, f"LiteRt{name}")(*arguments)
        if status:
            raise SystemExit(f"LiteRt{name} failed with {status}")

    def _made(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        made = ctypes.c_void_p()
        self._call(name, *arguments, ctypes.byref(made))
        return made


class Openvino:
    """OpenVINO with counters on.

    Args:
        path: The `.onnx` file.
    """

    def __init__(self, path: Path) -> None:
        import openvino

        chosen = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERF_COUNT": True, "ENABLE_CPU_PINNING": False}
        self._request = openvino.Core().compile_model(str(path), "CPU", chosen).create_infer_request()

    def nodes(self) -> dict[str, float]:
        """Microseconds of one call, by node; a convolution is known as 1x1 by the kernel that was chosen for it."""
        self._request.infer()
        found = {}
        for number, node in enumerate(self._request.profiling_info):
            is_small = node.node_type == "Convolution" and "1x1" in node.exec_type
            found[f"{number} {'1x1' if is_small else node.node_type}"] = node.real_time.total_seconds() * 1e6
        return found


def main() -> None:
    """Profiles one file."""
    path = Path(sys.argv[1])
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the runtimes print is no answer
    model = Litert(path) if path.suffix == ".tflite" else Openvino(path)
    least = model.nodes()
    for _ in range(CALLS):
        for node, microseconds in model.nodes().items():
            least[node] = min(least.get(node, microseconds), microseconds)
    print(json.dumps(_by_kind(least)), file=answer, flush=True)


if __name__ == "__main__":
    main()
