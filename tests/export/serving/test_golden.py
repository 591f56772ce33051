"""Requests and answers word for word, on the embedded server and, where it is installed, on TensorFlow Serving itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from ruamel.yaml import YAML

from tests.export.serving import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.export.serving.servers import Ports

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module", params=["embedded", "tensorflow_model_server"])
def ports(request: pytest.FixtureRequest, model_config: Path) -> Iterator[Ports]:
    with servers.running(request.param, model_config) as running:
        yield running


def cases(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load(GOLDEN / f"{name}.yaml")
    assert len({case["name"] for case in found}) == len(found)
    return found


def ask(ports: Ports, case: dict[str, Any]) -> urllib3.BaseHTTPResponse:
    method, path = case["request"].split(" ", 1)
    body = case["body"].encode() if "body" in case else b"" if method == "POST" else None
    return urllib3.request(method, f"http://127.0.0.1:{ports.rest}{path}", body=body, retries=False, timeout=10.0)


def exact(text: str | bytes) -> Any:
    """JSON whose numbers are kept as they are written."""
    return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)


def test_what_is_refused_is_refused_in_tensorflow_servings_words(ports: Ports) -> None:
    table = cases("errors")
    assert len(table) >= 15
    wrong = []
    for case in table:
        response = ask(ports, case)
        if response.status != case["status"]:
            wrong.append(f"{case['name']}: status {response.status} for {case['status']}: {response.data!r}")
        elif "error" in case and (json.loads(response.data) != {"error": case["error"]} or response.headers["Content-Type"] != "application/json"):
            wrong.append(f"{case['name']}:\n  came   {response.data!r}\n  wanted {case['error']!r}")
    assert wrong == []


def test_answers_are_tensorflow_servings_to_the_digit(ports: Ports) -> None:
    table = cases("answers")
    assert len(table) >= 10
    wrong = []
    for case in table:
        response = ask(ports, case)
        if response.status != 200 or response.headers["Content-Type"] != "application/json":
            wrong.append(f"{case['name']}: status {response.status}: {response.data!r}")
        elif "answer" in case and exact(response.data) != exact(case["answer"]):
            wrong.append(f"{case['name']}:\n  came   {response.data!r}\n  wanted {case['answer']}")
        elif case.get("part", "") not in response.data.decode():
            wrong.append(f"{case['name']}: {response.data!r} holds no {case['part']}")
    assert wrong == []
