"""What is no bundle, or is not whole, is refused before anything of it runs."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import kvision_edge
from kvision_edge import interpreter, manifest, verification
from kvision_edge.bundle import Bundle
from kvision_edge.errors import BundleError, EdgeError, RunnerError

if TYPE_CHECKING:
    from pathlib import Path

INT8 = "tflite-int8-full.tflite"


def change(bundle: Path, path: str, value: Any) -> None:
    """Sets a value of the manifest, such as `files.0.path`."""
    values = json.loads((bundle / manifest.NAME).read_text())
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = values
    for part in parents:
        place = place[part]
    place[last] = value
    (bundle / manifest.NAME).write_text(json.dumps(values))


def test_the_files_of_a_whole_bundle_are_verified_and_do_what_they_did(bundle: Path) -> None:
    checks = list(verification.verify(Bundle(bundle)))
    assert [check for check in checks if not check.ok] == []
    assert sum("on the sample" in check.what for check in checks) == 4
    assert sum(check.detail.startswith("sha256") for check in checks) == 10


def test_a_changed_file_is_not_loaded(bundle: Path) -> None:
    content = bytearray((bundle / INT8).read_bytes())
    content[-100] ^= 1
    (bundle / INT8).write_bytes(content)
    with pytest.raises(BundleError, match=r"int8-full.tflite: is not the file that was exported \(sha256 .*copy it again"):
        kvision_edge.load(bundle)
    kvision_edge.load(bundle, format="fp32")  # the others are as they were
    wrong = [check.what for check in verification.verify(Bundle(bundle)) if check.ok is False]
    assert wrong == [INT8, "tflite-int8-full on the sample"]


def test_a_network_that_computes_something_else_here_is_found(bundle: Path) -> None:
    with np.load(bundle / "sample-tflite-fp32.npz") as file:
        np.savez(bundle / "sample-tflite-fp32.npz", logits=file["logits"] + 0.01)
    (found,) = [check for check in verification.verify(Bundle(bundle)) if check.what == "tflite-fp32 on the sample"]
    assert found.ok is False
    assert "differs by 0.01 where 0.0002 is allowed" in found.detail


def test_nan_is_no_agreement(bundle: Path) -> None:
    with np.load(bundle / "sample-tflite-fp32.npz") as file:
        np.savez(bundle / "sample-tflite-fp32.npz", logits=np.full_like(file["logits"], np.nan))
    assert [check.ok for check in verification.verify(Bundle(bundle)) if check.what == "tflite-fp32 on the sample"] == [False]


def test_a_file_without_a_sample_is_not_claimed_to_be_right(bundle: Path) -> None:
    change(bundle, "files.0.sample", None)
    assert [check.ok for check in verification.verify(Bundle(bundle)) if check.what == "tflite-int8-full on the sample"] == [None]


@pytest.mark.parametrize("path", ["../outside.tflite", "/etc/passwd.tflite", "link.tflite", "a/../../outside.tflite"])
def test_a_path_that_leaves_the_bundle_is_refused(bundle: Path, path: str) -> None:
    outside = bundle.parent / "outside.tflite"
    outside.write_bytes((bundle / INT8).read_bytes())
    (bundle / "link.tflite").symlink_to(outside)
    change(bundle, "files.0.path", path)
    change(bundle, "files.0.sha256", hashlib.sha256(outside.read_bytes()).hexdigest())
    with pytest.raises(BundleError, match="is not in the bundle"):
        kvision_edge.load(bundle)


@pytest.mark.parametrize("key", ["sample_input", "files.0.sample.outputs"])
def test_the_samples_may_not_leave_the_bundle_either(bundle: Path, key: str) -> None:
    change(bundle, key, "../sample.npz")
    (found,) = [check for check in verification.verify(Bundle(bundle)) if check.what == "tflite-int8-full on the sample"]
    assert found.ok is False
    assert "is not in the bundle" in found.detail


def test_a_pickle_in_a_sample_is_not_executed(bundle: Path) -> None:
    np.savez(bundle / "sample.npz", image=np.array([{"a": 1}], dtype=object))
    (found,) = [check for check in verification.verify(Bundle(bundle)) if check.what == "tflite-int8-full on the sample"]
    assert found.ok is False
    assert "allow_pickle=False" in found.detail


def test_what_is_no_bundle_is_named(tmp_path: Path, bundle: Path) -> None:
    with pytest.raises(BundleError, match="give the folder that `kvision export` made"):
        kvision_edge.load(tmp_path / "nothing")
    with pytest.raises(BundleError, match=r"fp32\.tflite: is one file of a bundle"):
        kvision_edge.load(bundle / "tflite-fp32.tflite")
    (tmp_path / manifest.NAME).write_text('{"schema": 1, "name"')
    with pytest.raises(BundleError, match="is damaged"):
        kvision_edge.load(tmp_path)


def test_a_bundle_of_another_version_says_what_to_install(bundle: Path) -> None:
    change(bundle, "schema", manifest.SCHEMA + 1)
    with pytest.raises(BundleError, match="has schema 2, this runtime reads 1; install the kvision-edge"):
        kvision_edge.load(bundle)


def test_a_file_that_is_missing_is_named(bundle: Path) -> None:
    (bundle / INT8).unlink()
    with pytest.raises(BundleError, match=r"int8-full.tflite: can't be read \(No such file"):
        kvision_edge.load(bundle)


def test_a_format_is_chosen_by_its_short_name_and_others_are_listed(bundle: Path) -> None:
    assert kvision_edge.load(bundle, format="fp32").file.format == "tflite-fp32"
    with pytest.raises(BundleError, match="has no int4 for a device; it holds tflite-int8-full, tflite-uint8-full"):
        kvision_edge.load(bundle, format="int4")
    change(bundle, "files", [])
    with pytest.raises(BundleError, match="holds no LiteRT file; make one with `kvision export"):
        kvision_edge.load(bundle)


def test_a_file_for_a_newer_runtime_says_which(bundle: Path) -> None:
    change(bundle, "files.0.minimum_runtime", "2.99")
    engine = interpreter.find()
    level = {"ai-edge-litert": r"2\.21", "tflite-runtime": r"2\.14"}[engine.name]
    with pytest.raises(RunnerError, match=rf"needs a runtime with the ops of TensorFlow 2\.99; {engine.name} 2.* has those of {level}: upgrade it"):
        kvision_edge.load(bundle)


@pytest.mark.parametrize(("key", "value"), [("preprocess.size_px", 48), ("preprocess.std.1", 0), ("colours", []), ("labels", ["one"]), ("task", "x")])
def test_a_manifest_that_does_not_fit_its_file_is_refused(bundle: Path, key: str, value: Any) -> None:
    change(bundle, key, value)
    with pytest.raises(EdgeError):
        kvision_edge.load(bundle).predict(np.zeros((8, 8, 3), np.uint8))


def leaves(value: Any, path: str = "") -> list[str]:
    """Paths of all values of a JSON document."""
    if not isinstance(value, (dict, list)) or not value:
        return [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return [leaf for key, each in pairs if "." not in str(key) for leaf in leaves(each, f"{path}.{key}" if path else str(key))]


def test_a_manifest_with_any_value_replaced_is_refused_or_used_and_never_a_traceback(bundle: Path) -> None:
    original = (bundle / manifest.NAME).read_text()
    paths, random, refused = leaves(json.loads(original)), np.random.default_rng(0), 0
    values = [None, -1, 0, 2**70, 1.5, "", "x", "../x", [], {}, True, [1, "a"], {"a": None}]
    for number in range(300):
        change(bundle, paths[number % len(paths)], values[random.integers(len(values))])
        try:
            kvision_edge.load(bundle).predict(np.zeros((9, 12, 3), np.uint8)).to_json()
            list(verification.verify(Bundle(bundle)))
        except EdgeError:
            refused += 1
        (bundle / manifest.NAME).write_text(original)
    assert refused > 30
