"""Worker of `inference.py`: runs the models of a folder on one runtime. Needs numpy and that runtime only, so it works in environments of its own.

    python inference_worker.py RUNTIME THREADS FOLDER MODEL...

Answers requests, a line of JSON each: `{"model", "seconds"}` times single calls for so long, `{"model", "inputs", "outputs"}` runs a file of inputs.
Every runtime computes in the precision of the file, on its CPU kernels, with all that it may choose for a low latency of single calls.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP = 5
FEWEST = 3


class Litert:
    """A `.tflite` file by ai-edge-litert; int8 files take and give int8, which is done outside of the timing.

    Args:
        stem: The file without its suffix.
        threads: Of the interpreter.
    """

    def __init__(self, stem: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(f"{stem}.tflite", num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input, self._output = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]
        self.run: Callable[[], Any] = self._interpreter.invoke

    def give(self, image: np.ndarray) -> None:
        """Sets the input, float32 `[1, S, S, 3]`."""
        scale, zero = self._input["quantization"]
        value = np.clip(np.round(image / scale) + zero, -128, 127).astype(np.int8) if scale else image
        self._interpreter.set_tensor(self._input["index"], value)

    def take(self) -> np.ndarray:
        """The output of the last run, float32."""
        scale, zero = self._output["quantization"]
        value = self._interpreter.get_tensor(self._output["index"]).astype(np.float32)
        return (value - zero) * np.float32(scale) if scale else value


class Onnxruntime:
    """An `.onnx` file by onnxruntime. Arguments as `Litert`."""

    def __init__(self, stem: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(f"{stem}.onnx", options, providers=["CPUExecutionProvider"])
        self._outputs: list[np.ndarray] = []

    def give(self, image: np.ndarray) -> None:
        """Sets the input."""
        self._image = image

    def run(self) -> None:
        """Runs it."""
        self._outputs = self._session.run(None, {"image": self._image})

    def take(self) -> np.ndarray:
        """The output of the last run."""
        return self._outputs[0]


class Openvino:
    """An `.onnx` file by OpenVINO. Arguments as `Litert`."""

    def __init__(self, stem: Path, threads: int) -> None:
        import openvino

        # Left to itself it computes float32 files in bfloat16 where the CPU can. Unpinned, its second thread hardly gets work; pinned, its only one
        # would wait for whatever else runs on that core.
        chosen = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        chosen |= {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": threads > 1}
        self._request = openvino.Core().compile_model(f"{stem}.onnx", "CPU", chosen).create_infer_request()
        self._tensor = openvino.Tensor
        self.run: Callable[[], Any] = self._request.infer

    def give(self, image: np.ndarray) -> None:
        """Sets the input."""
        self._image = image
        self._request.set_input_tensor(self._tensor(self._image))

    def take(self) -> np.ndarray:
        """The output of the last run."""
        return np.array(self._request.get_output_tensor().data)


RUNTIMES: dict[str, Callable[[Path, int], Any]] = {"litert": Litert, "onnxruntime": Onnxruntime, "openvino": Openvino}


def timed(model: Any, seconds: float) -> list[float]:
    """Seconds of single calls, at least 3."""
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while len(taken) < FEWEST or time.perf_counter() < until:
        started = time.perf_counter()
        model.run()
        taken.append(time.perf_counter() - started)
    return taken


def outputs(model: Any, images: np.ndarray) -> np.ndarray:
    """`[N, ...]`, each image run by itself."""
    found = []
    for image in images:
        model.give(image[None])
        model.run()
        found.append(model.take()[0])
    return np.stack(found)


def main() -> None:
    """Answers requests until the input ends."""
    answer = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the runtimes print is no answer
    runtime, threads, folder, *names = sys.argv[1:]
    models = {name: RUNTIMES[runtime](Path(folder) / name, int(threads)) for name in names}
    for name, model in models.items():
        model.give(np.load(Path(folder) / f"{name.split('-')[0]}.npy")[:1])
        for _ in range(WARM_UP):
            model.run()
    print(json.dumps({"variants": names}), file=answer)
    for line in sys.stdin:
        request = json.loads(line)
        model = models[request["model"]]
        if "outputs" in request:
            np.save(request["outputs"], outputs(model, np.load(request["inputs"])))
            print(json.dumps({}), file=answer)
        else:
            print(json.dumps({"seconds": timed(model, request["seconds"])}), file=answer)


if __name__ == "__main__":
    main()
