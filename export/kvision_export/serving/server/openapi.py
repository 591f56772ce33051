"""What REST takes and gives, as OpenAPI 3.1: made of the models that serve at the moment, so that it is never another API than theirs.

What a schema can't say, the server refuses all the same: ragged lists, inputs whose rows do not fit each other, bytes that are no picture.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kvision import __version__
from kvision_export.serving.server.config import METRICS
from kvision_export.serving.server.examples import CLASSIFY, REGRESS, answers
from kvision_export.serving.server.json_tensor import RANGES
from kvision_export.serving.server.model import DEFAULT_SIGNATURE, dtype_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kvision_export.serving.server.model import Model
    from kvision_export.serving.server.service import Service

    Schema = dict[str, Any]

PATH = "/openapi.json"
_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number", "description": "Beyond JSON: NaN, Infinity and -Infinity are read and written bare, as TF Serving does."}
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$"
_BYTES: Schema = {
    "type": "object",
    "required": ["b64"],
    "properties": {"b64": {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}},
    "additionalProperties": False,
}
_TAKEN: Mapping[str, Schema] = {
    "float": _NUMBER,
    "double": _NUMBER,
    "bool": {"type": "boolean"},
    "string": {"anyOf": [_TEXT, _BYTES]},
    **{
        dtype: {"type": "integer", "minimum": lowest, "maximum": highest, "description": "Without a decimal point."}
        for dtype, (lowest, highest) in RANGES.items()
    },
}
"""A value of an input, by its dtype; other dtypes have no JSON."""
_GIVEN: Mapping[str, Schema] = {**_TAKEN, "string": _TEXT}
_SCALARS: Sequence[Schema] = ({"type": ["number", "boolean"]}, {"anyOf": [_TEXT, _BYTES]})
_FEATURE: Schema = {"anyOf": [*_SCALARS, *({"type": "array", "items": kind} for kind in _SCALARS)]}
_ERRORS = (400, 404, 413, 501, 503, 504)


def document(service: Service) -> Schema:
    """The document.

    Args:
        service: The server.

    Returns:
        Plain JSON.
    """
    status = {"type": "object", "required": ["status"], "properties": {"status": _TEXT}}
    paths: Schema = {
        "/healthz": {"get": _operation("health", _json(status))},
        "/readyz": {"get": _operation("readiness", _json(status), {"503": _answer("A model is loading.", _json(status))})},
        METRICS: {"get": _operation("metrics", {"text/plain": {"schema": _TEXT}})},
        PATH: {"get": _operation("openapi", _json({"type": "object", "required": ["openapi", "info", "paths"]}))},
    }
    for name, serving in service.versions.serving().items():
        for place, model in serving.items():
            paths.update(_of_model(f"/v1/models/{quote(name, safe='')}{place}", model))
    error = {"type": "object", "required": ["error"], "properties": {"error": _TEXT}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "kvision serve", "version": __version__, "description": "TensorFlow Serving's REST, for development."},
        "paths": paths,
        "components": {"responses": {str(code): _answer(HTTPStatus(code).phrase, _json(error)) for code in _ERRORS}},
    }


def _of_model(place: str, model: Model) -> Iterator[tuple[str, Schema]]:
    """The paths of what one address of a model stands for."""
    faults = {str(code): {"$ref": f"#/components/responses/{code}"} for code in _ERRORS}
    named = place.removeprefix("/v1/models/")
    versions = {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["version", "state", "status"]}}
    yield place, {"get": _operation(f"status {named}", _json(_object({"model_version_status": versions})), faults)}
    told = _object({"model_spec": {"type": "object"}, "metadata": _object({"signature_def": {"type": "object"}})})
    yield f"{place}/metadata", {"get": _operation(f"metadata {named}", _json(told), faults)}
    kinds = [kind for name, definition in model.signatures.items() for kind in _predicting(name, definition)]
    posts = {"predict": ([asked for asked, _ in kinds], {"anyOf": [given for _, given in kinds]})}
    for what, method, result in (("classify", CLASSIFY, {"type": "array"}), ("regress", REGRESS, _NUMBER)):
        names = [name for name, definition in model.signatures.items() if answers(method, definition)]
        rows = {"examples": {"type": "array", "minItems": 1, "items": _example()}, "context": _example()}
        posts[what] = [_asking(name, rows, ["examples"]) for name in names], _object({"results": {"type": "array", "items": result}})
    for what, (bodies, answer) in posts.items():
        if bodies:
            body = {"required": True, "content": _json({"anyOf": bodies})}
            yield f"{place}:{what}", {"post": {**_operation(f"{what} {named}", _json(answer), faults), "requestBody": body}}


def _predicting(name: str, definition: Any) -> Iterator[tuple[Schema, Schema]]:
    """The bodies that a signature can be asked with, each with its answer."""
    if not definition.inputs:
        return  # TensorFlow's own, which starts a graph
    taken = {alias: _tensor(info) for alias, info in definition.inputs.items()}
    given = {alias: _tensor(info) for alias, info in definition.outputs.items()}
    if any(dtype not in _TAKEN for dtype, _ in (*taken.values(), *given.values())):
        return
    whole = {alias: _filled(_TAKEN[dtype], dims) for alias, (dtype, dims) in taken.items()}
    said = {alias: _nested(_output(alias, dtype), dims) for alias, (dtype, dims) in given.items()}
    yield (
        _asking(name, {"inputs": {"anyOf": [_object(whole), *_alone(whole)]}, "instances": False}, ["inputs"]),
        _object({"outputs": _single(said)}),
    )
    if any(dims == [] for _, dims in (*taken.values(), *given.values())):
        return  # a scalar has no rows
    rows = {alias: _filled(_TAKEN[dtype], dims and dims[1:]) for alias, (dtype, dims) in taken.items()}
    said = {alias: _nested(_output(alias, dtype), dims and dims[1:]) for alias, (dtype, dims) in given.items()}
    kinds = [{"type": "array", "minItems": 1, "items": kind} for kind in (_object(rows, closed=True), *_alone(rows))]
    yield (
        _asking(name, {"instances": {"anyOf": kinds}, "inputs": False}, ["instances"]),
        _object({"predictions": {"type": "array", "items": _single(said)}}),
    )


def _tensor(info: Any) -> tuple[str, list[int] | None]:
    """Dtype and shape of an input or output; -1 for any size, none for any rank."""
    shape = info.tensor_shape
    return dtype_name(info.dtype), None if shape.unknown_rank else [dim.size for dim in shape.dim]


def _nested(element: Schema, dims: Sequence[int] | None) -> Schema:
    """Lists of lists of a shape."""
    if dims is None:
        return {"anyOf": [element, {"type": "array"}]}
    for size in reversed(dims):
        element = {"type": "array", "items": element, **({"minItems": size, "maxItems": size} if size >= 0 else {})}
    return element


def _filled(element: Schema, dims: Sequence[int] | None) -> Schema:
    """The same of an input, where an empty list of lists would not say how long those are."""
    made = found = _nested(element, dims)
    for _ in (dims or ())[1:]:
        found["minItems"] = max(1, found.get("minItems", 1))
        found = found["items"]
    return made


def _output(alias: str, dtype: str) -> Schema:
    return _BYTES if dtype == "string" and alias.endswith("_bytes") else _GIVEN[dtype]


def _alone(members: Mapping[str, Schema]) -> list[Schema]:
    """A single input may come without its name."""
    return list(members.values()) if len(members) == 1 else []


def _single(members: Mapping[str, Schema]) -> Schema:
    """Outputs by name; a single one comes without its name."""
    return next(iter(members.values())) if len(members) == 1 else _object(members)


def _object(members: Mapping[str, Schema], *, closed: bool = False) -> Schema:
    return {"type": "object", "required": list(members), "properties": dict(members), **({"additionalProperties": False} if closed else {})}


def _example() -> Schema:
    return {"type": "object", "additionalProperties": _FEATURE}


def _asking(signature: str, members: Mapping[str, Any], required: list[str]) -> Schema:
    """A body for one signature; the default one need not be named."""
    default = signature == DEFAULT_SIGNATURE
    names = {"signature_name": {"enum": [signature, *([""] if default else [])]}}
    return {"type": "object", "required": [*required, *([] if default else names)], "properties": {**names, **members}}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _answer(description: str, content: Schema) -> Schema:
    return {"description": description, "content": content}


def _operation(name: str, content: Schema, others: Mapping[str, Schema] | None = None) -> Schema:
    return {"operationId": name, "responses": {"200": _answer("As asked.", content), **(others or {})}}
