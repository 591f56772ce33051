"""The document that the server publishes: it is of the models that serve, and what its schemas take and refuse, the server does, too."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tests.export.serving.server.asking import Site

PREDICT = "/v1/models/half:predict"


@pytest.fixture(scope="module")
def document(site: Site) -> dict[str, Any]:
    code, text = site.ask("GET", "/openapi.json")
    assert code == 200
    return json.loads(text)


def fits(schema: dict[str, Any], value: Any) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def test_every_address_of_a_model_is_told(document: dict[str, Any]) -> None:
    places = [f"/v1/models/half{version}" for version in ("", "/versions/1", "/versions/2", "/labels/stable", "/labels/next")]
    posts = [f"{place}:{what}" for place in places for what in ("predict", "classify", "regress")]
    own = ["/healthz", "/readyz", "/monitoring/prometheus/metrics", "/openapi.json"]
    assert sorted(document["paths"]) == sorted([*own, *places, *(f"{place}/metadata" for place in places), *posts])
    assert document["openapi"] == "3.1.0"
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ({"instances": [1.0, 2]}, True),
        ({"instances": [{"x": 1.0}], "signature_name": ""}, True),
        ({"inputs": [0.5]}, True),
        ({"inputs": {"x": [0.5]}, "signature_name": "serving_default"}, True),
        ({"inputs": [1.0], "signature_name": "several"}, True),
        ({"instances": [1.0], "signature_name": "several"}, False),  # an output of it has no rows
        ({"signature_name": "difference", "instances": [{"a": 3, "b": 1}]}, True),
        ({"signature_name": "difference", "instances": [{"a": 3}]}, False),
        ({"signature_name": "difference", "instances": [{"a": 3, "b": 1.5}]}, False),
        ({"signature_name": "difference", "instances": [3]}, False),
        ({"instances": []}, False),
        ({"instances": ["1"]}, False),
        ({"instances": [True]}, False),
        ({"instances": [1.0], "inputs": [1.0]}, False),
        ({"instances": [1.0], "signature_name": "nobody"}, False),
        ({"examples": [{"x": 1.0}]}, False),
        ([1.0], False),
    ],
    ids=str,
)
def test_the_schema_and_the_server_judge_alike(site: Site, document: dict[str, Any], body: Any, taken: bool) -> None:
    operation = document["paths"][PREDICT]["post"]
    assert fits(operation["requestBody"]["content"]["application/json"]["schema"], body) is taken
    code, text = site.predict(json.dumps(body))
    assert code == (200 if taken else 400)
    answer = operation["responses"]["200"] if taken else document["components"]["responses"]["400"]
    assert fits(answer["content"]["application/json"]["schema"], json.loads(text))


def test_examples_and_the_others(site: Site, document: dict[str, Any]) -> None:
    asked = {"signature_name": "classify_x", "examples": [{"x": 2.0}, {"x": [8.0]}]}
    operation = document["paths"]["/v1/models/half:classify"]["post"]
    assert fits(operation["requestBody"]["content"]["application/json"]["schema"], asked)
    assert fits(operation["requestBody"]["content"]["application/json"]["schema"], {**asked, "context": {"flag": [True, 1]}})
    assert not fits(operation["requestBody"]["content"]["application/json"]["schema"], {**asked, "examples": [2.0]})
    assert fits(
        operation["responses"]["200"]["content"]["application/json"]["schema"],
        json.loads(site.predict(json.dumps(asked), "/v1/models/half:classify")[1]),
    )
    for path in ("/v1/models/half", "/v1/models/half/versions/1", "/v1/models/half/metadata", "/healthz", "/readyz", "/openapi.json"):
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert fits(schema, json.loads(site.ask("GET", path)[1])), path
