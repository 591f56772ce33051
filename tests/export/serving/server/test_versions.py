"""Which versions serve: new ones, broken ones, labels, and that no request is lost when they change."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kvision.core.errors import RunError
from kvision_export.serving.server.app import ModelSource, Options, Server
from kvision_export.serving.server.model import Model
from kvision_export.serving.server.status import Code, StatusError
from tests.export.serving.messages import predicting
from tests.export.serving.server.asking import Site, wait_until

ONE = '{"instances": [1.0]}'
OLD, NEW = "2.5", "3.5"  # of 1.0, by y = x / 2 + 2 and y = x / 2 + 3


def publish(folder: Path, base: Path, version: int) -> Path:
    """Copies beside and renames, as an exporter does."""
    shutil.copytree(folder, base.parent / f".{version}")
    return (base.parent / f".{version}").rename(base / str(version))


def states(site: Site) -> dict[str, str]:
    _, text = site.ask("GET", "/v1/models/half")
    return {each["version"]: each["state"] for each in json.loads(text)["model_version_status"]}


def test_a_new_version_takes_over_without_losing_a_request(serve: Callable[..., Site], base: Path, saved: dict[int, Path]) -> None:
    site, stop = serve(), threading.Event()
    answers: list[tuple[int, str]] = []

    def hammer() -> None:
        while not stop.is_set():
            answers.append(site.predict(ONE))

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in (2, 3, 4):
        publish(saved[3 - version % 2], base, version)
        wait_until(lambda version=version: states(site).get(str(version)) == "AVAILABLE")
        already = len(answers)
        wait_until(lambda already=already: len(answers) > already + 5)
    wait_until(lambda: states(site) == {"4": "AVAILABLE", "3": "END", "2": "END", "1": "END"})
    stop.set()
    for thread in threads:
        thread.join()
    assert {code for code, _ in answers} == {200}
    assert {json.loads(text)["predictions"][0] for _, text in answers} == {float(OLD), float(NEW)}


def test_the_old_version_is_unloaded_when_its_last_request_is_done(serve: Callable[..., Site], base: Path, saved: dict[int, Path]) -> None:
    site = serve()
    versions = site.server._versions
    from kvision_export.serving.server.spec import Spec

    with versions.use(Spec("half")) as model:
        publish(saved[3], base, 2)
        wait_until(lambda: states(site).get("1") == "UNLOADING")
        assert site.predict(ONE)[1].count(NEW) == 1
        import numpy as np

        assert model.run("serving_default", {"x": np.ones(1, np.float32)}, ("y",))["y"].tolist() == [2.5]
    wait_until(lambda: states(site)["1"] == "END")


def test_a_broken_version_is_reported_and_the_old_one_serves_on(serve: Callable[..., Site], base: Path, saved: dict[int, Path]) -> None:
    site = serve()
    (base / "2").mkdir()
    (base / "2" / "saved_model.pb").write_bytes(b"this is no model")
    wait_until(lambda: "2" in states(site) and states(site)["2"] == "END")
    _, text = site.ask("GET", "/v1/models/half/versions/2")
    (status,) = json.loads(text)["model_version_status"]
    assert status["status"]["error_code"] != "OK"
    assert str(base / "2") in status["status"]["error_message"]
    assert OLD in site.predict(ONE)[1]
    code, text = site.predict(ONE, "/v1/models/half/versions/2:predict")
    assert (code, json.loads(text)["error"]) == (404, "Servable not found for request: Specific(half, 2)")
    shutil.copytree(saved[3], base / "2", dirs_exist_ok=True)  # mended: it is tried again
    wait_until(lambda: states(site)["2"] == "AVAILABLE")
    assert NEW in site.predict(ONE)[1]


def test_a_version_that_is_removed_gives_way_to_the_one_before(serve: Callable[..., Site], base: Path, saved: dict[int, Path]) -> None:
    publish(saved[3], base, 2)
    site = serve()
    assert states(site) == {"2": "AVAILABLE"}
    (base / "2").rename(base.parent / "away")
    wait_until(lambda: states(site) == {"2": "END", "1": "AVAILABLE"})
    assert OLD in site.predict(ONE)[1]


def test_folders_that_are_no_versions_are_passed_over(serve: Callable[..., Site], base: Path, saved: dict[int, Path]) -> None:
    for name in ("v2", "2.5", "-3", ".4"):
        shutil.copytree(saved[3], base / name)
    (base / "5").write_text("a file")
    assert states(serve()) == {"1": "AVAILABLE"}


def record(base: Path, x: Any) -> Path:
    """Writes a warm-up file with one request."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    path = base / "1" / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=predicting("half", x=x))).SerializeToString())
    return path


def test_warm_up_is_replayed_again_if_it_takes_too_long(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(base, [1.0, 2.0])
    runs: list[list[float]] = []

    def late(_: Model, __: str, inputs: Any, ___: Any) -> Any:
        runs.append(inputs["x"].tolist())
        if len(runs) < 3:
            raise StatusError(Code.DEADLINE_EXCEEDED, "late")
        return {"y": inputs["x"]}

    monkeypatch.setattr(Model, "run", late)
    with Server([ModelSource("half", base)]):
        assert runs == [[1.0, 2.0]] * 3


def test_a_bad_warm_up_record_refuses_the_version(base: Path) -> None:
    record(base, ["a word"])
    with pytest.raises(RunError, match=r"half version: 1\} due to error: INVALID_ARGUMENT: Expects arg\[0\] to be float but string is provided"):
        Server([ModelSource("half", base)]).start()
    record(base, [1.0]).write_bytes(b"no TFRecord at all, but long enough to be read as one")
    with pytest.raises(RunError, match=r"DATA_LOSS: .*Please verify your warmup data is in TFRecord format"):
        Server([ModelSource("half", base)]).start()


def test_batching_parameters_lie_beside_the_model(base: Path) -> None:
    (base / "1" / "batching_params.pbtxt").write_text("max_batch_size { value: 2 }\nenable_large_batch_splitting { value: false }\n")
    with Server([ModelSource("half", base)]) as server:
        code, text = Site(server).predict('{"instances": [1.0, 2.0, 3.0]}')
    assert (code, json.loads(text)["error"]) == (400, "Task size 3 is larger than maximum input batch size 2")


@pytest.mark.parametrize(("make", "message"), [(False, "no folder named by an integer in"), (True, "Could not find SavedModel .pb or .pbtxt")])
def test_nothing_to_serve_is_said_at_once(tmp_path: Path, make: bool, message: str) -> None:
    if make:
        (tmp_path / "1").mkdir()
    with pytest.raises(RunError, match=message):
        Server([ModelSource("x", tmp_path)], options=Options(poll_wait_s=0)).start()
