"""REST as a client meets it, beside the golden suite: what the suite has no case for."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
from collections.abc import Callable

import pytest

from kvision_export.serving.server.config import Batching
from tests.export.serving.server.asking import Site, wait_until

ONE = '{"instances": [1.0]}'


def error(answer: tuple[int, str]) -> tuple[int, str]:
    code, text = answer
    return code, json.loads(text)["error"]


def test_status_and_labels(site: Site) -> None:
    version = ' {\n   "version": "1",\n   "state": "AVAILABLE",\n   "status": {\n    "error_code": "OK",\n    "error_message": ""\n   }\n  }'
    assert site.ask("GET", "/v1/models/half/versions/1") == (200, f'{{\n "model_version_status": [\n {version}\n ]\n}}\n')
    code, text = site.ask("GET", "/v1/models/half")
    assert code == 200
    assert [each["version"] for each in json.loads(text)["model_version_status"]] == ["2", "1"]
    answers = [site.predict(ONE, f"/v1/models/half{path}:predict") for path in ("", "/labels/stable", "/labels/next", "/versions/1")]
    assert [json.loads(text)["predictions"] for _, text in answers] == [[3.5], [2.5], [3.5], [2.5]]


def test_metadata(site: Site) -> None:
    code, text = site.ask("GET", "/v1/models/half/versions/1/metadata")
    document = json.loads(text)
    assert code == 200
    assert document["model_spec"] == {"name": "half", "signature_name": "", "version": "1"}
    signatures = document["metadata"]["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"]["x"] == {
        "name": "serving_default_x:0",
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    }
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"
    assert text.startswith('{\n"model_spec":{\n "name": "half",')


def test_outputs_of_several_kinds(site: Site) -> None:
    code, text = site.predict('{"signature_name": "several", "inputs": [1.0, 2.0]}')
    assert code == 200
    assert json.loads(text)["outputs"] == {
        "count": 2,
        "name": ["1.000000", "2.000000"],
        "pairs": [[1.0, -1.0], [2.0, -2.0]],
        "png_bytes": [{"b64": "MS4wMDAwMDA="}, {"b64": "Mi4wMDAwMDA="}],
    }
    code, message = error(site.predict('{"signature_name": "several", "instances": [1.0]}'))
    assert (code, message) == (400, "Tensor name: count has no shape information ")


def test_classify_and_regress(site: Site) -> None:
    body = '{"signature_name": "classify_x", "examples": [{"x": 2.0}, {"x": [8.0]}]}'
    assert json.loads(site.predict(body, "/v1/models/half:classify")[1]) == {
        "results": [[["whole", 2.0], ["half", 1.0]], [["whole", 8.0], ["half", 4.0]]]
    }
    body = '{"signature_name": "regress_x", "context": {"x": 80.0}, "examples": [{}]}'
    assert site.predict(body, "/v1/models/half/versions/1:regress") == (200, '{\n    "results": [42.0]\n}')
    code, message = error(site.predict('{"examples": [{"x": 2.0}]}', "/v1/models/half:classify"))
    assert (code, message[:50]) == (400, "No classification inputs found in SignatureDef: in")


def test_what_the_graph_refuses_has_its_code_and_message(site: Site) -> None:
    code, message = error(site.predict('{"signature_name": "checked", "instances": [-1.0]}'))
    assert code == 400
    assert message.startswith("assertion failed: [x is negative.")
    assert json.loads(site.predict('{"signature_name": "checked", "instances": [4.0]}')[1]) == {"predictions": [2.0]}


def test_an_error_that_quotes_bytes_of_the_request_is_the_request_s(site: Site) -> None:
    code, message = error(site.predict('{"signature_name": "regress_x", "instances": [{"b64": "lP8="}]}'))
    assert code == 400
    assert message.startswith("Could not parse example input, value: '\ufffd\ufffd'")


def test_inputs_that_do_not_fit_each_other(site: Site) -> None:
    code, text = site.predict('{"signature_name": "difference", "instances": [{"a": 3, "b": 1}, {"a": 5.5, "b": 2}]}')
    assert (code, json.loads(text)) == (200, {"predictions": [2.0, 3.5]})
    code, message = error(site.predict('{"signature_name": "difference", "inputs": {"a": [1, 2], "b": [1, 2, 3]}}'))
    assert code == 400
    assert "Incompatible shapes" in message or "required broadcastable shapes" in message


def test_body_limit(site: Site) -> None:
    code, message = error(site.predict(json.dumps({"instances": [1.0] * 50_000})))
    assert (code, message) == (413, "Request body is larger than the limit of 100000 bytes; send fewer rows, or raise the limit")
    zipped = gzip.compress(json.dumps({"instances": [1.0] * 50_000}).encode())
    assert len(zipped) < 5_000
    assert site.ask("POST", "/v1/models/half:predict", zipped, {"Content-Encoding": "gzip"})[0] == 413
    assert site.predict(ONE)[0] == 200


def test_gzipped_and_chunked_bodies(site: Site) -> None:
    assert site.ask("POST", "/v1/models/half:predict", gzip.compress(ONE.encode()), {"Content-Encoding": "gzip"})[0] == 200
    assert error(site.ask("POST", "/v1/models/half:predict", ONE, {"Content-Encoding": "gzip"}))[0] == 400
    connection = http.client.HTTPConnection("127.0.0.1", site.server.rest_port, timeout=10)
    connection.request(
        "POST", "/v1/models/half:predict", iter([b'{"instances":', b" [1.0]}"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 200
    connection.close()


def test_garbage_on_the_wire_harms_nobody(site: Site) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00", b"POST /v1/models/half:predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", b"GET /\xff HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", site.server.rest_port)) as connection:
            connection.sendall(garbage)
    assert site.predict(ONE)[0] == 200


def test_options(site: Site) -> None:
    assert site.ask("OPTIONS", "/v1/models/half:predict", None, {"Origin": "http://localhost"})[0] == 200
    assert site.ask("OPTIONS", "/v1/models/half:predict")[0] == 400


def test_health(site: Site) -> None:
    assert site.ask("GET", "/healthz") == (200, '{"status":"ok"}')
    assert site.ask("GET", "/readyz") == (200, '{"status":"ok"}')


def test_metrics(serve: Callable[..., Site]) -> None:
    site = serve()
    site.predict(ONE)
    site.predict("{")
    site.predict(ONE, "/v1/models/nobody:predict")
    code, page = site.ask("GET", "/monitoring/prometheus/metrics")
    lines = page.splitlines()
    assert code == 200
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    assert ':tensorflow:serving:request_count{model_name="half",status="OK"} 1' in lines
    assert ':tensorflow:serving:request_count{model_name="half",status="INVALID_ARGUMENT"} 1' in lines
    assert ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"} 1' in lines
    assert ':tensorflow:serving:request_latency_bucket{model_name="half",API="predict",entrypoint="REST",le="+Inf"} 1' in lines
    assert ':tensorflow:serving:runtime_latency_count{model_name="half",API="Predict",runtime="TF1"} 1' in lines


def test_a_request_that_takes_too_long(serve: Callable[..., Site]) -> None:
    site = serve(timeout_s=2.0, batching=Batching(num_batch_threads=1))
    code, message = error(site.predict('{"signature_name": "spin", "instances": [1.0]}'))
    assert (code, message) == (504, "Timed out waiting for notification")
    assert site.predict(ONE)[0] == 200  # the one thread that computes gave up, too


def test_keep_alive_connections_are_answered_at_once(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.server.rest_port, timeout=10)
    times = []
    for _ in range(10):
        start = time.monotonic()
        connection.request("POST", "/v1/models/half:predict", ONE)
        assert connection.getresponse().read()
        times.append(time.monotonic() - start)
    connection.close()
    assert min(times) < 0.03  # with Nagle's algorithm none would take less than 40 ms


def test_access_log(serve: Callable[..., Site], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "kvision.serving.access")
    site = serve(access_log=True)
    site.predict(ONE)
    wait_until(lambda: bool(caplog.records))  # it is written when the answer is sent
    assert caplog.records[0].getMessage().startswith('127.0.0.1 "POST /v1/models/half:predict" 200 ')
