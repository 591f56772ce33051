"""The contract between the exporter and the device: `manifest.json`, which says all that is needed to run the files of a bundle.

The device owns it: this module needs the standard library of Python 3.9 only. The exporter builds a `Manifest` and writes `to_json`; a device
calls `read`, which refuses what it does not understand with a message that names the file and the fix.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple, Type, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 1
"""Raised when an older reader could no longer make sense of the file."""
NAME = "manifest.json"
LABELS = "labels.txt"

T = TypeVar("T")


class ManifestError(ValueError):
    """A manifest that can't be read, or is for another version of this runtime."""


@dataclass(frozen=True)
class Tensor:
    """One input or output of a signature.

    Attributes:
        shape: Sizes; -1 where any will do.
        dtype: As numpy calls it: `float32`, `int8`, `uint8`, `int16`, `int32`, `string` ...
        scale: Step of a quantized tensor, real = scale * (stored - zero_point); one number, or one for each index of `axis`; empty: not quantized.
        zero_point: As `scale`.
        axis: The quantized dimension where there are several scales.
    """

    shape: Tuple[int, ...]
    dtype: str
    scale: Tuple[float, ...] = ()
    zero_point: Tuple[int, ...] = ()
    axis: int = 0


@dataclass(frozen=True)
class Signature:
    """A function of a file, by the names of its tensors."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


@dataclass(frozen=True)
class Sample:
    """What the file makes of the sample input, and how far another machine may differ.

    Attributes:
        outputs: The `.npz` in the bundle with the outputs, in the file's own dtypes: of the first signature by their names, of others by
            `<signature>|<name>`.
        tolerance: Largest allowed difference, in real (dequantized) units, of any output value.
    """

    outputs: str
    tolerance: float


@dataclass(frozen=True)
class File:
    """One model file of a bundle, or the folder of a SavedModel.

    Attributes:
        path: Relative to the bundle.
        format: `savedmodel`, `tflite-fp32`, `tflite-int8-full` ...
        bytes: Size.
        sha256: Of the file; of a folder, of the lines `<sha256>  <path>` of its files, sorted by path.
        signatures: By name.
        minimum_runtime: Oldest tflite-runtime or LiteRT that runs it, such as `2.14`; empty for a SavedModel.
        quantization: How it was quantized, for people.
        metrics: Metrics of this very file on the validation split.
        proof: Drop against the trained model, agreement, errors, latencies; for people.
        sample: What it says of the bundle's sample input.
    """

    path: str
    format: str
    bytes: int
    sha256: str
    signatures: Mapping[str, Signature]
    minimum_runtime: str = ""
    quantization: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    proof: Mapping[str, Any] = field(default_factory=dict)
    sample: Optional[Sample] = None


@dataclass(frozen=True)
class Preprocess:
    """From a picture of any size to the network's input `[1, S, S, 3]`: see `kvision.data.preprocess.Preprocess`, whose fields these are.

    Attributes:
        size_px: Side S of the square.
        fit: `resize` (scale the whole picture, keep its aspect, pad evenly) or `crop` (keep the resolution).
        mean: Of each RGB channel, 0-1; normalised = (value / 255 - mean) / std.
        std: Likewise.
    """

    size_px: int
    fit: str
    mean: Tuple[float, ...]
    std: Tuple[float, ...]


@dataclass(frozen=True)
class Manifest:
    """All that is known of a bundle.

    Attributes:
        name: A short name, such as `unet`.
        task: Which decoder makes answers of the outputs: `segmentation`, `classification`, `captioning`, `policy` ...
        files: The model files, the best choice for a device first.
        preprocess: For networks that take pictures; none for the others.
        labels: Class names; also one a line in `labels.txt`.
        colours: One `(r, g, b)` a class, for pictures of answers.
        decode: Settings of the decoder, such as `{"output": "logits", "activation": "softmax"}`.
        metrics: Of the trained model on the validation split.
        source: Run, checkpoint, recipe, system, precision of the training.
        versions: Of the packages that made the bundle.
        sample_input: The `.npz` in the bundle with one real input of the first signature, float32, by input name; of others, where there are
            any, by `<signature>|<input>`.
        checksums: sha256 of every other file of the bundle, by its path.
        schema: Version of this contract.
    """

    name: str
    task: str
    files: Tuple[File, ...]
    preprocess: Optional[Preprocess]
    labels: Tuple[str, ...]
    colours: Tuple[Tuple[int, ...], ...]
    decode: Mapping[str, Any]
    metrics: Mapping[str, float]
    source: Mapping[str, Any]
    versions: Mapping[str, str]
    sample_input: str = ""
    checksums: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    def to_json(self) -> str:
        """The text of `manifest.json`."""
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def file(self, format_name: str) -> File:
        """The file of a format; `ManifestError` that names those there are."""
        for each in self.files:
            if each.format == format_name:
                return each
        raise ManifestError(f"no {format_name} in this bundle; it holds {', '.join(each.format for each in self.files) or 'no files'}")


def read(bundle: Path) -> Manifest:
    """Reads the manifest of a bundle.

    Args:
        bundle: The bundle's folder, or its `manifest.json`.

    Returns:
        The manifest.

    Raises:
        ManifestError: If there is none, it is damaged, or it was written for another version.
    """
    path = bundle if bundle.name == NAME else bundle / NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"{path}: can't be read ({error.strerror or error}); give the folder that `kvision export` made") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path}: is damaged ({error}); export the bundle again, or copy it again") from error
    return from_values(values, str(path))


def from_values(values: Any, where: str = NAME) -> Manifest:
    """A manifest from the parsed JSON; keys that a newer exporter added are left aside."""
    found = values.get("schema") if isinstance(values, dict) else None
    if found != SCHEMA:
        raise ManifestError(f"{where}: has schema {found!r}, this runtime reads {SCHEMA}; install the kvision-edge that came with the exporter")
    try:
        return _make(Manifest, values, where)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        if isinstance(error, ManifestError):
            raise
        raise ManifestError(f"{where}: does not hold together ({error}); export the bundle again") from error


def _make(kind: Type[T], values: Mapping[str, Any], where: str) -> T:
    """A dataclass from a JSON object, the values brought to its fields' types."""
    found: Dict[str, Any] = {}
    for each in dataclasses.fields(kind):  # type: ignore[arg-type]
        if each.name in values:
            found[each.name] = _value(kind, each, values[each.name], where)
        elif each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise ManifestError(f"{where}: {kind.__name__.lower()} has no `{each.name}`; export the bundle again")
    return kind(**found)


def _value(kind: type, field: dataclasses.Field[Any], value: Any, where: str) -> Any:
    nested: Dict[Tuple[type, str], Any] = {
        (Manifest, "files"): lambda: tuple(_make(File, each, where) for each in value),
        (Manifest, "preprocess"): lambda: None if value is None else _make(Preprocess, value, where),
        (File, "signatures"): lambda: {key: _make(Signature, each, where) for key, each in value.items()},
        (File, "sample"): lambda: None if value is None else _make(Sample, value, where),
        (Signature, "inputs"): lambda: {key: _make(Tensor, each, where) for key, each in value.items()},
        (Signature, "outputs"): lambda: {key: _make(Tensor, each, where) for key, each in value.items()},
    }
    if (kind, field.name) in nested:
        return nested[kind, field.name]()
    found = _frozen(value)
    if not _fits(found, str(field.type)):
        raise ManifestError(f"{where}: {kind.__name__.lower()}.{field.name} is {value!r}, expected {field.type}; export the bundle again")
    return found


def _fits(value: Any, kind: str) -> bool:
    """Whether a value is of a field's type, by its text such as `Tuple[int, ...]`."""
    if kind.startswith("Tuple["):
        return isinstance(value, tuple) and all(_fits(each, kind[len("Tuple[") : -len(", ...]")]) for each in value)
    if kind.startswith("Mapping["):
        return isinstance(value, dict) and all(_fits(each, kind[len("Mapping[str, ") : -1]) for each in value.values())
    simple: Dict[str, Tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "Any": (object,)}
    return isinstance(value, simple[kind]) and (kind == "Any" or not isinstance(value, bool))


def _frozen(value: Any) -> Any:
    """Lists as tuples, so that what was written and what is read compare equal."""
    if isinstance(value, list):
        items: List[Any] = [_frozen(each) for each in value]
        return tuple(items)
    return {key: _frozen(each) for key, each in value.items()} if isinstance(value, dict) else value
