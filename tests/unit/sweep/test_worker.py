from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kvision import catalog
from kvision.core.errors import RunError
from kvision.sweep import worker
from kvision.sweep.study import Study
from kvision.sweep.training import Training
from kvision.sweep.trials import Trial
from tests.unit.sweep import plans
from tests.unit.sweep.fake_trainer import CRASHES, DIVERGES, NAMELESS, WAITS


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(worker, "POLL_S", 0.02)


def table(study):
    return [(trial.state, *trial.values.values(), trial.result) for trial in study.trials()]


def test_a_grid_is_trained_two_at_a_time_each_trial_in_its_folder(tmp_path):
    made = plans.plan(tmp_path / "s", "model.width=choice(8, 16, 32)", "train.epochs=2", method="grid", trials=3, jobs=2)
    study, listener = plans.run(made)
    assert table(study) == [("finished", 8, 0.1875), ("finished", 16, 0.375), ("finished", 32, 0.75)]  # width / 32 * (1 - 0.5**2)
    assert [trial.epochs for trial in study.trials()] == [2, 2, 2]
    assert (tmp_path / "s" / "trial-0002" / "metrics.csv").read_text().count("\n") == 3
    assert (tmp_path / "s" / "logs" / "trial-0002.log").read_text() == "goes on after epoch 0\n"
    assert len({trial.recipe_hash for trial in study.trials()}) == 3
    before = len(listener.trials)
    _, listener = plans.run(made)
    assert (before, listener.trials) == (3, [])  # nothing is left to do


def test_crashes_and_divergences_are_written_down_and_the_sweep_goes_on(tmp_path):
    made = plans.plan(tmp_path / "s", f"train.seed=choice({CRASHES}, {DIVERGES}, 0)", method="grid", trials=3)
    study, _ = plans.run(made)
    assert table(study) == [("crashed", 13, None), ("diverged", 14, 0.4375), ("finished", 0, 0.4375)]
    assert study.trials()[0].message == "exit code 1\nRuntimeError: boom"


def test_a_training_of_another_recipe_does_not_count(tmp_path):
    made = plans.plan(tmp_path / "s", "model.width=choice(8, 16)", method="grid", trials=2)
    for number, width in ((0, 8), (1, 8)):
        run_dir = tmp_path / "s" / f"trial-000{number}"
        run_dir.mkdir(parents=True)
        values = catalog.load("unet", [f"model.width={width}"]).values()
        (run_dir / "resolved.json").write_text(json.dumps({"values": values}))
    study, _ = plans.run(made)
    assert [(trial.state, trial.message) for trial in study.trials()] == [
        ("finished", ""), ("crashed", "its resolved.json is not the recipe of this trial"),
    ]  # fmt: skip


def test_when_the_first_trainings_all_crash_the_sweep_ends_with_their_words(tmp_path):
    made = plans.plan(tmp_path / "s", f"train.seed={CRASHES}", "model.width=choice(4, 8, 12, 16)", method="grid", trials=4)
    with pytest.raises(RunError, match=r"(?s)the first 3 trainings crashed, the last one with exit code 1\nRuntimeError: boom\n.*--trials"):
        plans.run(made)


def test_a_trial_below_the_median_of_five_is_stopped(tmp_path):
    made = plans.plan(tmp_path / "s", f"train.seed={WAITS}", "model.width=choice(32, 28, 24, 20, 16, 4)", method="grid", trials=6, prune="median")
    for number in range(5):  # the first five do not wait, for they have been begun
        (tmp_path / "s" / f"trial-000{number}").mkdir(parents=True)
        width, seen = (32, 28, 24, 20, 16)[number], "epoch,step,val/loss,val/miou\n"
        (tmp_path / "s" / f"trial-000{number}" / "metrics.csv").write_text(f"{seen}1,4,0,{width / 64}\n")
    study, _ = plans.run(made)
    assert table(study)[:5] == [("finished", width, width / 32 * 0.875) for width in (32, 28, 24, 20, 16)]
    assert table(study)[5] == ("pruned", 4, 4 / 32 * 0.75)  # at epoch 2, against a median of 24 / 32 * 0.75
    assert study.trials()[5].epochs == 2


def test_a_stopped_sweep_hands_its_trials_on_and_goes_on_where_they_were(tmp_path):
    made = plans.plan(tmp_path / "s", f"train.seed={WAITS}", "model.width=choice(8, 16)", method="grid", trials=2)
    study, _ = plans.run(made, stop_after=(0, 2))
    assert [trial.state for trial in study.trials()] == ["lost", "waiting"]
    for trial in ("trial-0000", "trial-0002"):  # the second one has the next number, and would wait, too
        (made.folder / trial).mkdir(exist_ok=True)
    (made.folder / "trial-0002" / "metrics.csv").write_text("epoch,step,val/loss,val/miou\n1,4,0.75,0.25\n")
    study, _ = plans.run(made)
    assert [(trial.state, trial.folder) for trial in study.trials()] == [
        ("lost", "trial-0000"), ("finished", "trial-0000"), ("finished", "trial-0002"),
    ]  # fmt: skip
    assert (made.folder / "logs" / "trial-0000.log").read_text().splitlines() == ["goes on after epoch 0", "goes on after epoch 2"]


def test_values_that_were_trained_are_not_trained_again(tmp_path):
    made = plans.plan(tmp_path / "s", "model.width=choice(8, 16)", "train.epochs=1", method="tpe", trials=2)
    study, _ = plans.run(made)
    trained = [trial for trial in study.trials() if trial.trained]
    copies = [trial for trial in study.trials() if trial.state == "copy"]
    assert sorted(trial.values["model.width"] for trial in trained) == [8, 16]
    first = study.ask()  # either set is known by now
    twin = next(trial for trial in trained if trial.values["model.width"] == int(first.params["model.width"]))
    study.copy(first, twin)
    copy = study.trials()[-1]
    assert (copy.state, copy.twin, copy.result, copy.epochs) == ("copy", twin.number, twin.result, 1)
    assert len(list((tmp_path / "s").glob("trial-*"))) == 2
    assert len(study.trials()) == len(copies) + 3


def test_a_search_that_only_repeats_itself_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "MOST_COPIES", 3)
    made = plans.plan(tmp_path / "s", "model.width=choice(8, 16)", "train.epochs=1", method="random", trials=5)
    study, listener = plans.run(made)
    assert [trial.state for trial in study.trials()] == ["finished", "finished", "copy", "copy", "copy"]
    assert listener.lines[-1] == "every set of values that the search proposes has been tried; it ends here"


def test_what_the_schema_refuses_between_the_corners_is_not_trained(tmp_path):
    made = plans.plan(tmp_path / "s", "data.size_px=int(32, 64, 16)", "model.depth=5", method="grid", trials=3)  # 48 is no multiple of 32
    study, _ = plans.run(made)
    assert [trial.state for trial in study.trials()] == ["finished", "refused", "finished"]
    assert "48" in study.trials()[1].message


def test_a_metric_that_is_not_there_is_named_with_those_that_are(tmp_path):
    made = plans.plan(tmp_path / "s", f"train.seed=choice({NAMELESS}, 0)", method="grid", trials=2)
    with pytest.raises(RunError, match=r"--metric: metrics.csv has no 'val/miou'; it has val/loss, val/iou; did you mean \"val/iou\"\?"):
        plans.run(made)


def test_a_recipe_that_changes_meanwhile_ends_the_sweep(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("system: segmentation/unet\ndata: {source: scenes}\n")
    made = plans.plan(tmp_path / "s", "model.width=choice(8, 16)", recipe=str(recipe), method="grid", trials=2)
    recipe.write_text("system: segmentation/unet\ndata: {source: scenes, batch: 4}\n")
    with pytest.raises(RunError, match="the recipe has changed since the sweep began"):
        plans.run(made)


def test_two_workers_share_the_trials_of_one_study(tmp_path):
    made = plans.plan(tmp_path / "s", "model.width=choice(4, 8, 12, 16)", "train.epochs=1", method="grid", trials=4)
    made.folder.mkdir()
    listeners = [plans.Listener(), plans.Listener()]
    both = [worker.Worker(made, Study(made), listener, listener.stop) for listener in listeners]
    assert all(each._begin() for each in both)
    for each in both:
        each.run()
    done = [trial.number for listener in listeners for trial in listener.trials]
    assert sorted(done) == [0, 1, 2, 3]
    assert table(both[0].study) == [("finished", width, width / 64) for width in (4, 8, 12, 16)]


def test_the_time_that_is_left_is_the_mean_of_the_trials_so_far(tmp_path):
    made = plans.plan(tmp_path, "model.width=choice(4, 8, 12, 16)", method="grid", trials=10, jobs=2)
    idle = worker.Worker(made, None, plans.Listener(), None)
    ended = [Trial(0, {}, "finished", 0.5, seconds=60.0), Trial(1, {}, "pruned", 0.1, seconds=20.0), Trial(2, {}, "crashed", seconds=1.0)]
    assert idle._left_s(ended) == 40.0 * 7 / 2  # seven are missing, two at a time; a crash tells nothing of the time
    running = SimpleNamespace(training=SimpleNamespace(seconds=30.0))
    idle.jobs = [running]
    assert idle._left_s([*ended, Trial(3, {}, "running")]) == (40.0 * 7 - 30.0) / 2
    assert idle._left_s(ended[2:]) is None


def test_the_last_lines_of_a_log_are_kept(tmp_path):
    (tmp_path / "log").write_text("of an earlier attempt\n")
    training = Training([sys.executable, "-c", "for n in range(20): print('line', n, chr(10))"], tmp_path, tmp_path / "log")
    while training.code is None:
        time.sleep(0.02)
    assert training.tail().splitlines() == [f"line {number} " for number in range(12, 20)]
    assert (tmp_path / "log").read_text().startswith("of an earlier attempt\nline 0")


def test_a_training_ends_with_the_process_that_began_it(tmp_path):
    mark = tmp_path / "ended"
    child = f"""
import signal, sys, pathlib
signal.signal(15, lambda *_: (pathlib.Path({str(mark)!r}).touch(), sys.exit()))
print("up", flush=True)
signal.pause()
"""
    script = f"""
import sys, time, pathlib
from kvision.sweep.study import Study
from kvision.sweep.training import Training
from kvision.sweep.trials import Trial
training = Training([sys.executable, "-c", {child!r}], pathlib.Path({str(tmp_path)!r}), pathlib.Path({str(tmp_path / "log")!r}))
while training.tail() != "up":
    time.sleep(0.02)
print("up", flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    assert parent.stdout.readline() == b"up\n"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(500):
        if mark.exists():
            break
        time.sleep(0.02)
    assert mark.exists()


def test_a_training_that_does_not_end_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("kvision.sweep.training.GRACE_S", 0.0)
    deaf = "import signal\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\nwhile True: signal.pause()"
    training = Training([sys.executable, "-c", deaf], tmp_path, tmp_path / "log")
    while training.tail() != "up":
        time.sleep(0.02)
    while training.code is None:
        training.stop()
        time.sleep(0.02)
    assert training.code == -9
    assert training.new_rows() == []


def test_a_damaged_table_has_no_rows(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,step,val/miou\nnonsense,1,2\n")
    training = Training([sys.executable, "-c", ""], tmp_path, tmp_path / "log")
    assert training.new_rows() == []
    while training.code is None:
        time.sleep(0.02)
