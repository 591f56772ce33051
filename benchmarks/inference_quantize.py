"""Worker of `inference.py`: makes full-int8 ONNX files, calibrated on the images that ours are, as onnxruntime's documentation advises for x86 CPUs.

python inference_quantize.py FOLDER NAME...
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process


class Images(quantization.CalibrationDataReader):
    """Hands out the images, float32 `[N, S, S, 3]`, one by one."""

    def __init__(self, images: np.ndarray) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next; none at the end."""
        image = next(self._images, None)
        return None if image is None else {"image": image[None]}


def main() -> None:
    """Quantizes each `NAME-fp32.onnx` to `NAME-int8.onnx`."""
    folder, *names = sys.argv[1:]
    for name in names:
        plain, prepared, made = (str(Path(folder) / f"{name}-{kind}.onnx") for kind in ("fp32", "prepared", "int8"))
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            made,
            Images(np.load(Path(folder) / f"{name}.npy")),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )


if __name__ == "__main__":
    main()
