"""Status and metadata as JSON (http_rest_api_util.cc): protobuf's own printer, with one space of indent and every default written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message  # type: ignore[import-untyped]

    from kvision_export.serving.server.service import Service
    from kvision_export.serving.server.spec import Spec


def status_json(service: Service, spec: Spec) -> str:
    """The body of `GET /v1/models/NAME`.

    Args:
        service: The server.
        spec: What the path names.

    Returns:
        JSON.

    Raises:
        StatusError: If there is no such model.
    """
    from tensorflow_serving.apis import get_model_status_pb2

    request = get_model_status_pb2.GetModelStatusRequest()
    spec.fill(request.model_spec)
    return _json(service.status(request))


def metadata_json(service: Service, spec: Spec) -> str:
    """The body of `GET /v1/models/NAME/metadata`.

    Args:
        service: The server.
        spec: What the path names.

    Returns:
        JSON.

    Raises:
        StatusError: If there is no such model.
    """
    from tensorflow_serving.apis import get_model_metadata_pb2

    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    spec.fill(request.model_spec)
    response = service.metadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    model_spec = _json(response.model_spec, preserving_proto_field_name=True)
    text = _json(signatures, preserving_proto_field_name=True)
    return f'{{\n"model_spec":{model_spec},\n"metadata": {{"signature_def": {text}}}\n}}\n'


def _json(message: Message, **options: Any) -> str:
    from google.protobuf import json_format  # type: ignore[import-untyped]

    return json_format.MessageToJson(message, indent=1, always_print_fields_with_no_presence=True, ensure_ascii=False, **options) + "\n"
