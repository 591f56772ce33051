"""The run folder: claimed by one, never overwritten, and only resumed by the same recipe on the same data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kvision.core.errors import RunError
from kvision.engine import runfolder

VALUES: dict[str, Any] = {
    "optim": {"lr": 0.1, "schedule": "cosine"},
    "train": {"epochs": 3, "steps": None, "checkpoint_every_steps": None},
    "model": {"filters": [8, 16]},
    "smoke": {"train.steps": 3},
}


def changed(**values: Any) -> dict[str, Any]:
    """VALUES with some sections changed."""
    return {section: {**content, **values.get(section, {})} for section, content in VALUES.items()}


def begun(run_dir: Path, schedule: str = "cosine") -> Path:
    run_dir.mkdir()
    values = changed(optim={"schedule": schedule})
    runfolder.write_json(run_dir / "resolved.json", {"values": values})
    runfolder.write_json(run_dir / "data.json", {"fingerprint": "abc"})
    return run_dir


def test_a_new_folder_is_made_and_an_empty_claim_leaves_nothing(tmp_path: Path) -> None:
    run_dir = tmp_path / "runs" / "unet"
    with runfolder.claim(run_dir, resume=False) as found:
        assert not found
        assert run_dir.is_dir()
    assert not run_dir.exists()


def test_resuming_where_there_is_nothing_starts(tmp_path: Path) -> None:
    with runfolder.claim(tmp_path / "new", resume=True) as found:
        assert not found


def test_a_run_is_not_overwritten_and_the_next_free_name_is_offered(tmp_path: Path) -> None:
    run_dir = begun(tmp_path / "unet")
    (tmp_path / "unet-2").mkdir()
    with (
        pytest.raises(RunError, match=rf"unet already holds a run; go on with it by --resume, or start another with --run-dir {tmp_path}/unet-3"),
        runfolder.claim(run_dir, resume=False),
    ):
        pass
    with runfolder.claim(run_dir, resume=True) as found:
        assert found


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with (
        pytest.raises(RunError, match=r"exists and is not a run \(it has no resolved.json\); choose another folder"),
        runfolder.claim(tmp_path, resume=resume),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with (
        pytest.raises(RunError, match="the run folder could not be written: Not a directory; choose a folder that can be written with --run-dir"),
        runfolder.claim(tmp_path / "run", resume=False),
    ):
        pass


def test_a_folder_that_cannot_be_made() -> None:
    with pytest.raises(RunError, match="/proc/kvision: the run folder could not be written"), runfolder.claim(Path("/proc/kvision"), resume=False):
        pass


def test_two_trainings_never_share_a_folder_and_a_dead_one_does_not_block(tmp_path: Path) -> None:
    run_dir = begun(tmp_path / "unet")
    code = (
        "import sys, time; from pathlib import Path; from kvision.engine import runfolder\n"
        "with runfolder.claim(Path(sys.argv[1]), resume=True): print('claimed', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(run_dir)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    with other.stdout:
        assert other.stdout.readline() == "claimed\n"
        with (
            pytest.raises(RunError, match=f"is in use by another training, process {other.pid}; wait for it, or choose another --run-dir"),
            runfolder.claim(run_dir, resume=True),
        ):
            pass
        other.kill()
        other.wait()
    with runfolder.claim(run_dir, resume=True) as found:
        assert found


def test_an_unchanged_recipe_may_go_on(tmp_path: Path) -> None:
    assert not runfolder.check_unchanged(begun(tmp_path / "run"), VALUES, "abc")


def test_what_changes_no_result_may_change(tmp_path: Path) -> None:
    run_dir = begun(tmp_path / "run")
    assert runfolder.check_unchanged(run_dir, changed(train={"checkpoint_every_steps": 5}, smoke={"train.steps": 4}), "abc")


def test_a_changed_recipe_is_refused_with_both_values(tmp_path: Path) -> None:
    run_dir = begun(tmp_path / "run")
    with pytest.raises(RunError) as caught:
        runfolder.check_unchanged(run_dir, changed(optim={"lr": 0.2}, model={"filters": [8, 32]}), "abc")
    message = str(caught.value)
    assert "the recipe has changed since the run began" in message
    assert "  optim.lr: 0.1 when the run began, 0.2 now\n" in message
    assert "  model.filters: [8, 16] when the run began, [8, 32] now\n" in message
    assert f"put these values back, or start a new run with --run-dir {run_dir}-2" in message


def test_a_run_may_be_lengthened_only_where_the_rate_does_not_depend_on_its_length(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"the cosine schedule depends on the run's length(?s:.*)train.epochs: 3 when the run began, 5 now"):
        runfolder.check_unchanged(begun(tmp_path / "cosine"), changed(train={"epochs": 5}), "abc")
    run_dir = begun(tmp_path / "constant", "constant")
    assert runfolder.check_unchanged(run_dir, changed(optim={"schedule": "constant"}, train={"epochs": 5}), "abc")


def test_changed_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the data has changed since the run began: its fingerprint was abc and is xyz now; put the files back"):
        runfolder.check_unchanged(begun(tmp_path / "run"), VALUES, "xyz")


def test_a_torn_description_is_an_error_that_names_it(tmp_path: Path) -> None:
    run_dir = begun(tmp_path / "run")
    (run_dir / "data.json").write_text("{")
    with pytest.raises(RunError, match=r"data.json can't be read: .*; is .*run a run folder\?"):
        runfolder.check_unchanged(run_dir, VALUES, "abc")


def test_environment_says_what_the_run_ran_on() -> None:
    found = runfolder.environment(devices=["cpu:0"], precision="bf16", deterministic=True)
    assert found["versions"]["tensorflow"].startswith("2.")
    assert (found["devices"], found["precision"], found["deterministic"]) == (["cpu:0"], "bf16", True)
    assert found["cpu"]
    json.dumps(found)


def test_the_hash_of_a_recipe_is_that_of_its_values() -> None:
    assert runfolder.recipe_hash({"a": 1, "b": [2]}) == runfolder.recipe_hash({"b": [2], "a": 1})
    assert runfolder.recipe_hash({"a": 1}) != runfolder.recipe_hash({"a": 2})
