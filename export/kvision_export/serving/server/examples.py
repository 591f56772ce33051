"""Classify, regress and multi-inference: signatures that take `tf.train.Example`s (classifier.cc, regressor.cc, multi_inference.cc, util.cc)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kvision_export.serving.server.model import DEFAULT_SIGNATURE, Model, dtype_name
from kvision_export.serving.server.prediction import fill_spec
from kvision_export.serving.server.status import Code, StatusError, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision_export.serving.server.prediction import Run

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


def serialized(given: Any) -> np.ndarray:
    """The examples of an `Input`, each with the context that they share.

    Args:
        given: The message.

    Returns:
        `[B]` of bytes.

    Raises:
        StatusError: If there is none.
    """
    context = given.example_list_with_context.context.SerializeToString()
    examples = given.example_list.examples or given.example_list_with_context.examples
    if not examples:
        raise invalid("Input is empty.")
    array = np.empty(len(examples), object)
    array[:] = [context + example.SerializeToString() for example in examples]
    return array


def answers(method: str, definition: Any) -> bool:
    """Whether a signature can be asked to classify, or to regress, examples; `method` is `CLASSIFY` or `REGRESS`."""
    try:
        _METHODS[method][0](definition)
    except StatusError:
        return False
    return dtype_name(definition.inputs["inputs"].dtype) == "string"


def classify(model: Model, request: Any, run: Run) -> Any:
    """Answers a `ClassificationRequest`.

    Args:
        model: That it names.
        request: The message.
        run: How to compute.

    Returns:
        A `ClassificationResponse`.

    Raises:
        StatusError: If the signature is not one that classifies; what `run` raises.
    """
    from tensorflow_serving.apis import classification_pb2

    response = classification_pb2.ClassificationResponse()
    name = _signature(model, request.model_spec.signature_name)
    fill_spec(response.model_spec, model, name)
    _infer(CLASSIFY, model, name, request.input, run, response.result)
    return response


def regress(model: Model, request: Any, run: Run) -> Any:
    """Answers a `RegressionRequest`.

    Args:
        model: That it names.
        request: The message.
        run: How to compute.

    Returns:
        A `RegressionResponse`.

    Raises:
        StatusError: If the signature is not one that regresses; what `run` raises.
    """
    from tensorflow_serving.apis import regression_pb2

    response = regression_pb2.RegressionResponse()
    name = _signature(model, request.model_spec.signature_name)
    fill_spec(response.model_spec, model, name)
    _infer(REGRESS, model, name, request.input, run, response.result)
    return response


def multi_inference(model: Model, request: Any, run: Run) -> Any:
    """Answers a `MultiInferenceRequest`: several signatures on the same examples.

    Args:
        model: That its tasks name.
        request: The message.
        run: How to compute.

    Returns:
        A `MultiInferenceResponse`.

    Raises:
        StatusError: If a task does not fit; what `run` raises.
    """
    from tensorflow_serving.apis import inference_pb2

    names = []
    for task in request.tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if task.model_spec.name != request.tasks[0].model_spec.name:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in names:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        if name not in model.signatures:
            raise invalid(f"Requested signature not found in model graph: {name}")
        if task.method_name not in _METHODS:
            raise StatusError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        names.append(name)
    response = inference_pb2.MultiInferenceResponse()
    for name, task in zip(names, request.tasks, strict=True):
        answer = response.results.add()
        fill_spec(answer.model_spec, model, name)
        result = answer.classification_result if task.method_name == CLASSIFY else answer.regression_result
        _infer(task.method_name, model, name, request.input, run, result)
    return response


def _infer(method: str, model: Model, name: str, given: Any, run: Run, result: Any) -> None:
    """Runs the signature of that name on the examples of an `Input`, and fills the result of an answer."""
    outputs_of, fill = _METHODS[method]
    wanted = outputs_of(model.signatures[name])
    examples = serialized(given)
    outputs = run(name, {"inputs": examples}, wanted)
    fill(result, outputs, len(examples))


def _signature(model: Model, given: str) -> str:
    name = given or DEFAULT_SIGNATURE
    if name not in model.signatures:
        raise invalid(f"No signature was found with the name: {name}")
    return name


def _classify_outputs(definition: Any) -> tuple[str, ...]:
    if len(definition.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(definition.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(definition.outputs)}")
    if "inputs" not in definition.inputs:
        raise invalid(f"No classification inputs found in SignatureDef: {definition}")
    wanted = tuple(name for name in ("classes", "scores") if name in definition.outputs)
    if not wanted:
        raise invalid(f'Expected classification signature outputs to contain at least one of "classes" or "scores". Signature was: {definition}')
    return wanted


def _regress_outputs(definition: Any) -> tuple[str, ...]:
    if len(definition.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(definition.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    for kind, names in (("inputs", definition.inputs), ("outputs", definition.outputs)):
        if kind not in names:
            raise invalid(f"No regression {kind} found in SignatureDef: {definition}")
    return ("outputs",)


def _fill_classes(result: Any, outputs: Mapping[str, np.ndarray], num_examples: int) -> None:
    for name, wanted in (("classes", "DT_STRING"), ("scores", "DT_FLOAT")):
        if name not in outputs:
            continue
        array = outputs[name]
        if array.ndim != 2:
            raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
        if _data_type(array) != wanted:
            raise invalid(f"Expected {name} Tensor of {wanted}. Got: {_data_type(array)}")
        if len(array) != num_examples:
            raise invalid(f"Expected {name} output batch size of {num_examples}. Got: {len(array)}")
    labels, scores = outputs.get("classes"), outputs.get("scores")
    if labels is not None and scores is not None and labels.shape[1] != scores.shape[1]:
        raise invalid(f"Tensors class and score should match in dim_size(1). Got {labels.shape[1]} vs. {scores.shape[1]}")
    num_classes = (labels if scores is None else scores).shape[1]  # type: ignore[union-attr]
    for row in range(num_examples):
        classifications = result.classifications.add()
        for column in range(num_classes):
            each = classifications.classes.add()
            if labels is not None:
                each.label = labels[row, column]
            if scores is not None:
                each.score = scores[row, column]


def _fill_values(result: Any, outputs: Mapping[str, np.ndarray], num_examples: int) -> None:
    array = outputs["outputs"]
    if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
        raise invalid(f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {_shape(array)}")
    if len(array) != num_examples:
        raise invalid(f"Input batch size did not match output batch size: {num_examples} vs. {len(array)}")
    if _data_type(array) != "DT_FLOAT":
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {_data_type(array)}")
    for value in array.reshape(-1).tolist():
        result.regressions.add().value = value


_METHODS = {CLASSIFY: (_classify_outputs, _fill_classes), REGRESS: (_regress_outputs, _fill_values)}
"""By method: which outputs of a signature it wants, and what writes them into its result."""


def _shape(array: np.ndarray) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _data_type(array: np.ndarray) -> str:
    return f"DT_{dtype_name(array.dtype).upper()}"
