from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from kvision.core.errors import RunError, UsageError
from kvision.sweep import alive, terms
from kvision.sweep.ranges import Choice, Range
from kvision.sweep.study import Study
from tests.unit.sweep import plans

SPACE = ("optim.lr=log(1e-4, 1e-1)", "model.width=choice(8, 16, 32)")


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    return plans.plan(tmp_path_factory.mktemp("unused"), *SPACE, trials=9)


@pytest.fixture
def made(held, tmp_path):
    return replace(held, folder=tmp_path)


def test_choices_are_kept_as_json_for_optuna_can_keep_no_lists():
    choice = Choice((8, [8, 16], "a", None, True))
    encoded = [terms.encode(choice, value) for value in choice.values]
    assert list(terms.distribution(choice).choices) == encoded == ["8", "[8, 16]", '"a"', "null", "true"]
    assert [terms.decode({"x": text})["x"] for text in encoded] == list(choice.values)
    assert terms.distribution(Range(2, 12, whole=True, step=3)).high == 11
    assert terms.distribution(Range(1e-4, 1e-1, log=True)).log


def test_a_trial_is_asked_told_and_read_back(made):
    study = Study(made)
    asked = study.ask()
    assert terms.decode(asked.params).keys() == {"optim.lr", "model.width"}
    assert [trial.state for trial in study.trials()] == ["running"]
    assert study.has_no_prospects(asked, 1, 0.5) is False
    done = study.tell(asked, "finished", 0.75, seconds=3.0)
    assert (done.state, done.result, done.epochs, done.seconds, done.folder) == ("finished", 0.75, 1, 3.0, "trial-0000")
    assert Study(made).trials() == [done]


def test_a_resumed_random_search_does_not_draw_the_same_again(made):
    made = replace(made, method="random")
    first, second = Study(made).ask(), Study(made).ask()
    assert first.params != second.params
    again = Study(replace(made, folder=made.folder / "again", storage=f"sqlite:///{made.folder}/again.db"))
    assert again.ask().params == first.params  # but the seed decides


def test_several_machines_share_a_study_by_its_database_and_name(made, tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    one, other = (Study(replace(made, folder=tmp_path / machine / "unet", storage=url)) for machine in "ab")
    one.tell(one.ask(), "finished", 0.5)
    assert other.ask().number == 1
    assert [trial.state for trial in one.trials()] == ["finished", "running"]


def test_coarse_to_fine_draws_around_the_best_of_the_first_round(made):
    study = Study(replace(made, method="coarse-to-fine", trials=4, rounds=2))
    for _ in range(2):
        asked = study.ask()
        study.tell(asked, "finished", asked.params["optim.lr"])
    best = max(trial.values["optim.lr"] for trial in study.trials())
    for _ in range(2):
        asked = study.ask()
        assert best / 11 < asked.params["optim.lr"] < best * 11  # a third of three decades holds the best somewhere
        study.tell(asked, "finished", 0.0)
    assert [trial.round for trial in study.trials()] == [0, 0, 1, 1]


def test_what_must_not_change(made):
    study = Study(made)
    study.tell(study.ask(), "finished", 0.5)
    wider = {**made.space.parameters, "optim.lr": Range(1e-5, 1.0, log=True)}
    assert len(Study(replace(made, space=replace(made.space, parameters=wider), trials=40, method="random")).trials()) == 1
    other = {**made.space.parameters, "model.width": Choice((8, 64))}
    for changed, message in (
        (replace(made, metric="val/loss", mode="min"), "metric was 'val/miou' and is 'val/loss' now; mode was 'max' and is 'min' now"),
        (replace(made, precision="bf16"), "precision was 'fp32' and is 'bf16' now"),
        (replace(made, space=replace(made.space, parameters=other)), "the space of model.width"),
        (replace(made, space=replace(made.space, parameters={"optim.lr": wider["optim.lr"]})), "the space of model.width"),
        (replace(made, space=replace(made.space, parameters=made.space.parameters | {"optim.lr": Range(0.1, 0.5)})), "the space of optim.lr"),
        (plans.plan(made.folder, *SPACE, "train.epochs=2"), "the recipe, or a value that is held"),
    ):
        with pytest.raises(UsageError, match=f"begun with something else: {re.escape(message)}"):
            Study(changed)


def test_a_database_that_is_not_there(made):
    with pytest.raises(UsageError, match=r"^--storage: the study can't be opened: .*; a URL is like postgresql://"):
        Study(replace(made, storage="nonsense"))


def test_a_database_that_fails_in_the_middle_of_a_sweep(made, tmp_path):
    study = Study(made)
    asked = study.ask()
    (tmp_path / "study.db").write_bytes(b"x" * 100_000)
    with pytest.raises(RunError, match=r"the study's database failed: .*; when it works again, the same command goes on"), terms.storing(tmp_path):
        study.tell(asked, "finished", 0.5)


def test_without_optuna_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"kvision sweep needs optuna, which is not installed: pip install 'kvision\[sweep\]'"):
        terms.library()


def dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return {**alive.worker(), "process": process.pid}


def test_who_is_dead():
    me = alive.worker()
    assert not alive.is_dead(me, None)
    assert alive.is_dead(dead(), None)
    assert alive.is_dead({**me, "started": me["started"] - 100}, None)  # the number was given to another process since
    assert not alive.is_dead({**dead(), "host": "elsewhere"}, None)
    assert not alive.is_dead(None, None)


def test_who_lives_does_so_by_any_clock(monkeypatch):
    me, boot = alive.worker(), psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + 3600)  # what the system tells once the clock is set forward by an hour
    assert psutil.boot_time() == boot + 3600
    assert not alive.is_dead(me, None)


def test_the_trials_of_a_killed_worker_are_tried_once_more_in_their_folder(made):
    study = Study(made)
    lost, living = study.ask(), study.ask()
    study.has_no_prospects(lost, 1, 0.4)
    lost.set_user_attr("worker", dead())
    study.retry_lost()
    study.retry_lost()
    assert [trial.state for trial in study.trials()] == ["lost", "running", "waiting"]
    assert sum(trial.trained for trial in study.trials()) == 1
    again = study.ask()
    assert again.params == lost.params
    assert study.trials()[2].folder == "trial-0000"
    again.set_user_attr("worker", dead())
    study.retry_lost()
    assert [trial.state for trial in study.trials()] == ["lost", "running", "crashed"]
    assert "its worker was killed" in study.trials()[2].message
    assert study.ask().params not in (lost.params, living.params)


def test_a_trial_that_was_handed_on_may_be_handed_on_again(made):
    study = Study(made)
    first = study.ask()
    for _ in range(3):
        study.hand_on(first)
        again = study.ask()
        assert again.params == first.params
        first = again
    assert [trial.state for trial in study.trials()] == ["lost", "lost", "lost", "running"]


def test_another_machine_fails_the_trials_of_a_silent_worker(made, monkeypatch):
    monkeypatch.setattr("kvision.sweep.study.SILENT_S", 1)
    study, other = Study(made), Study(made)
    silent = study.ask()
    silent.set_user_attr("worker", {"host": "elsewhere", "process": 1, "started": 0.0})
    other.retry_lost()
    assert other.trials()[0].state == "running"
    time.sleep(2.1)  # the database counts whole seconds
    other.retry_lost()
    assert [trial.state for trial in other.trials()] == ["lost", "waiting"]
    assert study.has_no_prospects(silent, 1, 0.5)  # it wakes up: its trial is not its own any more
    assert study.tell(silent, "finished", 0.9).state == "lost"
    study.hand_on(silent)
    assert [trial.state for trial in other.trials()] == ["lost", "waiting"]


def test_signs_of_life_keep_a_trial(made, monkeypatch):
    study = Study(made)
    asked = study.ask()
    beats = []
    monkeypatch.setattr(study, "_record_beat", beats.append)
    study.beat([asked])
    assert beats == []  # it has just been asked
    monkeypatch.setattr("kvision.sweep.study.BEAT_S", 0)
    study.beat([asked])
    assert beats == [0]


def test_importance_names_what_matters(made):
    study = Study(replace(made, method="random", trials=30))
    for _ in range(8):
        asked = study.ask()
        study.tell(asked, "finished", -abs(asked.params["optim.lr"] - 0.01))
    found = study.importance()
    assert next(iter(found)) == "optim.lr"
    assert sum(found.values()) == pytest.approx(1)
    assert Study(replace(made, folder=made.folder / "empty", storage=f"sqlite:///{made.folder}/e.db")).importance() == {}


def epochs_until_stopped(study, quality, epochs=9):
    """How far a trial of this quality comes; it is told as finished or pruned."""
    asked = study.ask()
    for epoch in range(1, epochs + 1):
        if study.has_no_prospects(asked, epoch, quality * (1 - 0.5**epoch)):
            study.tell(asked, "pruned")
            return epoch
    study.tell(asked, "finished", quality)
    return epochs


def test_the_median_rule_lets_five_finish_and_judges_from_the_second_epoch_on(made):
    study = Study(replace(made, prune="median"))
    assert [epochs_until_stopped(study, quality, 3) for quality in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.75)] == [3, 3, 3, 3, 3, 2, 3]
    pruned = study.trials()[5]
    assert (pruned.state, pruned.result, pruned.epochs) == ("pruned", pytest.approx(0.4 * 0.75), 2)


def test_hyperband_lets_a_third_of_each_rung_go_on(made):
    study = Study(replace(made, prune="hyperband", trials=8))
    assert replace(made).most_epochs == 7
    came = [epochs_until_stopped(study, quality, 7) for quality in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)]
    assert came[0] == 7  # the best of all is never stopped
    assert set(came[1:]) <= {1, 3, 7}  # the rungs: 1, 3, 9 ... epochs
    assert min(came) < 7


def test_without_pruning_the_worst_comes_to_its_end(made):
    study = Study(made)
    assert [epochs_until_stopped(study, quality, 3) for quality in (0.9, 0.8, 0.7, 0.6, 0.5, 0.0)] == [3] * 6
