from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from kvision.commands import doctor

GOOD = {"tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.0", "protobuf": "6.31.0"}
PROBE = 'print(\'KVISION{"tensorflow": "2.21.0", "works": true, "gpus": []}\')'


def messages(**versions: str | None) -> list[tuple[str, str]]:
    merged = {**GOOD, **{name.replace("_", "-"): version for name, version in versions.items()}}
    return [(finding.level, finding.message) for finding in doctor.check_packages(merged.get)]


def test_a_good_installation_has_no_findings() -> None:
    assert messages() == []


@pytest.mark.parametrize(
    ("versions", "level", "words"),
    [
        ({"tensorflow": "2.18.0"}, "conflict", "tensorflow 2.18.0, kvision needs 2.21; `pip install 'tensorflow~=2.21.0'`"),
        ({"tensorflow": None}, "conflict", "tensorflow is not installed"),
        ({"keras": "2.15.0"}, "conflict", "keras 2.15.0, kvision needs 3.15"),
        ({"numpy": "1.24.3"}, "conflict", "numpy 1.24.3"),
        ({"protobuf": "4.25.1"}, "conflict", "protobuf 4.25.1"),
        ({"tensorflow_addons": "0.23.0"}, "conflict", "tensorflow-addons 0.23.0 is installed: it does not import beside"),
        ({"keras_cv": "0.9.0"}, "warning", "keras-hub carries its content; `pip uninstall keras-cv`"),
        ({"tf_keras": "2.18.0"}, "warning", "tf-keras 2.18.0 (Keras 2)"),
    ],
)
def test_known_conflicts_are_found(versions: dict[str, str | None], level: str, words: str) -> None:
    ((found_level, message),) = messages(**versions)
    assert found_level == level
    assert words in message


def test_tensorflow_cpu_counts_as_tensorflow() -> None:
    assert messages(tensorflow=None, tensorflow_cpu="2.21.0") == []


def test_environment_variables_that_change_keras_are_conflicts() -> None:
    found = doctor.check_environment({"TF_USE_LEGACY_KERAS": "1", "KERAS_BACKEND": "jax"})
    assert [finding.level for finding in found] == ["conflict", "conflict"]
    assert "`unset KERAS_BACKEND`" in found[1].message
    assert doctor.check_environment({"TF_USE_LEGACY_KERAS": "0", "KERAS_BACKEND": "tensorflow"}) == []


def test_a_full_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**10, 10**10, 5 * 10**8))
    (finding,) = doctor.check_disk(Path("/here"))
    assert finding.level == "warning"
    assert "500 MB free in /here" in finding.message


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("raise ImportError('libcudart is broken')", "failed: ImportError: libcudart is broken"),
        ("import os; os.abort()", "crashed"),
        ("pass", "failed: exit code 0"),
        (PROBE.replace("true", "false"), "multiplies wrongly"),
    ],
)
def test_a_broken_tensorflow_gives_a_message(program: str, words: str) -> None:
    _, (finding,) = doctor.probe(program)
    assert finding.level == "conflict"
    assert words in finding.message


def test_a_tensorflow_that_hangs_gives_a_message() -> None:
    _, (finding,) = doctor.probe("import time; time.sleep(60)", seconds=0.3)
    assert "took more than" in finding.message


def test_a_probe_that_works_gives_facts() -> None:
    facts, findings = doctor.probe(PROBE)
    assert facts["tensorflow"] == "2.21.0"
    assert findings == []


def test_versions_are_compared_as_numbers() -> None:
    assert doctor.numbers("2.21.0rc1") == (2, 21, 0)
    assert doctor.numbers("2.4") < doctor.numbers("2.10")


@pytest.mark.parametrize("as_json", [False, True])
def test_the_exit_code_tells_conflicts(as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "probe", lambda: ({"gpus": ["A100"]}, []))
    monkeypatch.setattr(doctor, "check_packages", lambda version_of: [])
    monkeypatch.setattr(doctor, "check_environment", lambda environ: [])
    monkeypatch.setattr(doctor, "check_disk", lambda folder: [doctor.Finding("warning", "little room")])
    assert doctor.run(json_lines=as_json) == 0
    monkeypatch.setattr(doctor, "check_environment", lambda environ: [doctor.Finding("conflict", "the wrong Keras")])
    capsys.readouterr()
    assert doctor.run(json_lines=as_json) == 1
    text = capsys.readouterr().out
    if as_json:
        assert json.loads(text)["findings"][0] == {"level": "conflict", "message": "the wrong Keras"}
    else:
        assert "conflict: the wrong Keras" in text
        assert "A100" in text
