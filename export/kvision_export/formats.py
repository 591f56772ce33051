"""What `kvision export --to` accepts: each format by its name, with the gate it must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kvision.core.errors import UsageError
from kvision.core.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        name: As in `--to`.
        gate: Key of `System.gates` that bounds its loss.
        weights: How the weights are stored.
        activations: What is computed with between the layers.
        edges: Dtype of inputs and outputs.
        calibrated: Whether ranges are measured on training examples.
        about: One line for `--help` and reports.
    """

    name: str
    gate: Literal["fp32", "fp16", "dynamic", "quantized"]
    weights: Literal["float32", "float16", "int8", "int4"]
    activations: Literal["float32", "int8", "int16"]
    edges: Literal["float32", "int8", "int16"]
    calibrated: bool
    about: str

    @property
    def is_tflite(self) -> bool:
        """Whether it is a LiteRT file; else it is the SavedModel, or made of a LiteRT file."""
        return self.name.startswith("tflite-")

    @property
    def short(self) -> str:
        """The name without `tflite-`, for file names: `int8-full`."""
        return self.name.removeprefix("tflite-")


SAVEDMODEL = "savedmodel"
C_ARRAY = "c-array"
FP32 = "tflite-fp32"
FULL_INT8 = "tflite-int8-full"
_ALL = (
    Format(SAVEDMODEL, "fp32", "float32", "float32", "float32", False, "for TF Serving: takes encoded images, answers in the graph"),
    Format(FP32, "fp32", "float32", "float32", "float32", False, "the trained model as it is"),
    Format("tflite-fp16", "fp16", "float16", "float32", "float32", False, "half the size, computed in float32 (float16 on GPUs)"),
    Format("tflite-dynamic", "dynamic", "int8", "float32", "float32", False, "int8 weights, activations quantized as they come; for recurrent nets"),
    Format("tflite-int8", "quantized", "int8", "int8", "float32", True, "int8 inside, float inputs and outputs"),
    Format(FULL_INT8, "quantized", "int8", "int8", "int8", True, "int8 throughout: the fastest on CPUs, and for NPUs and microcontrollers"),
    Format("tflite-int16x8", "quantized", "int8", "int16", "float32", True, "int16 activations: more exact than int8, slow on CPUs"),
    Format("tflite-int4", "quantized", "int4", "float32", "float32", False, "int4 weights: the smallest"),
    Format(C_ARRAY, "quantized", "int8", "int8", "int8", True, "the int8-full file as C source, for microcontrollers"),
)
FORMATS = {each.name: each for each in _ALL}


def parse(texts: Sequence[str]) -> tuple[Format, ...]:
    """The formats that `--to` names.

    Args:
        texts: Names, with or without `tflite-`, each text one or several separated by commas; `all` stands for every format.

    Returns:
        Each format once, in the order of `FORMATS`.

    Raises:
        UsageError: If a name is unknown; says what is accepted.
    """
    long = {each.short: each.name for each in _ALL}
    names = [long.get(name.strip(), name.strip()) for text in texts for name in text.split(",") if name.strip()]
    for name in names:
        if name not in FORMATS and name != "all":
            raise UsageError(f"--to {name}: accepted are {', '.join(FORMATS)} and all{did_you_mean(name, [*FORMATS, 'all'])}")
    return tuple(each for each in _ALL if "all" in names or each.name in names)
