"""Ensembles: the joined network is the mean of its members, whole without their runs, and members that do not fit are refused."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.core import resolved as resolved_recipe
from kvision.core.errors import RecipeError, UsageError
from kvision.data.preprocess import Preprocess
from kvision.engine import runfolder, session, state
from kvision.engine.checkpoint import Checkpoints
from kvision.systems.classification import _members
from kvision.systems.classification.ensemble import Ensemble
from kvision.systems.classification.mlp import MLP
from tests.conformance import subject
from tests.unit.systems.classification import examples, nets

if TYPE_CHECKING:
    from kvision.engine.session import Session

MEMBERS = {"a": ("lenet", "{filters: [4, 6], hidden: [16, 12]}"), "b": ("mlp", "{hidden: [12], whiten: zca}"), "c": ("mlp", "{hidden: [12]}")}
DATA = "{source: digits, size_px: 16, batch: 8, train_size: 40, val_size: 10}"
PARTS = "[{system: classification/mlp, model: {hidden: [9]}}, {system: classification/mlp, model: {hidden: [7], whiten: pca, components: 5}}]"


def opened(folder: Path, system: str, model: str, *overrides: str, **options: Any) -> Session:
    file = folder / f"{system}.yaml"
    file.write_text(f"system: classification/{system}\nmodel: {model}\ndata: {DATA}\n")
    found = catalog.load(file, overrides)
    return session.open_session(found, catalog.system(found.recipe.system), catalog.source("digits"), **({"devices": "cpu"} | options))


def written(made: Session, run: Path, *steps: int) -> None:
    """The run folder, with checkpoints after these epochs of which the first is the best."""
    run.mkdir(parents=True)
    runfolder.describe(run, made.resolved.settled(made.chosen()), data=made.pipeline.report(), environment={})
    for step in steps:
        meta = {"step": step, "epoch": step, "best_step": steps[0], "reason": "epoch", "evaluated": "ema" if made.for_training.ema else "net"}
        Checkpoints(run / "checkpoints", keep_every_epochs=1).save(state.read(made.variables()), meta)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Session]]:
    """Members that are initialised and not trained, beside the recipe: `a`, `b` and, with another average than weights, `c`."""
    folder, made = tmp_path_factory.mktemp("recipes"), {}
    for seed, (name, (system, model)) in enumerate(MEMBERS.items()):
        made[name] = opened(folder, system, model, f"train.seed={seed}", *(["optim.ema=0.9"] if name == "c" else []))
        if name == "c":
            for average in made[name].for_training.ema.variables.values():
                average.assign_add(tf.cast(tf.fill(average.shape, 0.03), average.dtype))
        written(made[name], folder / name, 1, 2)
    return folder, made


def answers(made: Session, images: np.ndarray) -> np.ndarray:
    with made.for_training.ema.swapped() if made.for_training.ema else contextlib.nullcontext():
        return made.system.net(images).numpy()


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_the_joined_network_is_the_mean_of_its_members(runs: tuple[Path, dict[str, Session]], average: str) -> None:
    folder, made = runs
    joined = opened(folder, "ensemble", f"{{members: [a, b, c/checkpoints/step-00000002], average: {average}}}")
    images = next(joined.pipeline.examples("val"))["image"]
    each = [answers(member, images) for member in made.values()]
    expected = np.mean([tf.nn.softmax(logits) for logits in each] if average == "probabilities" else each, axis=0)
    np.testing.assert_allclose(joined.system.net(images), expected, rtol=1e-4, atol=1e-5)
    probabilities = expected if average == "probabilities" else tf.nn.softmax(expected)
    np.testing.assert_allclose(joined.system.predict_step(images)["probabilities"], probabilities, rtol=1e-4, atol=1e-5)
    assert joined.pipeline.preprocess == made["a"].pipeline.preprocess
    assert joined.for_training.total == 1
    assert joined.system.decoding()["output"] == average == joined.system.net.output_names[0]


def test_the_run_of_an_ensemble_needs_those_of_its_members_no_more(runs: tuple[Path, dict[str, Session]], tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(runs[0] / name, tmp_path / name)
    joined = opened(tmp_path, "ensemble", "{members: [a, b]}")
    written(joined, tmp_path / "joined", 1)
    shutil.rmtree(tmp_path / "a")
    shutil.rmtree(tmp_path / "b")
    again = session.open_session(
        catalog.from_run(tmp_path / "joined"),
        Ensemble,
        catalog.source("digits"),
        devices="cpu",
        training=False,
        preprocess=joined.pipeline.preprocess,
    )
    session.restore(again, tmp_path / "joined")
    images = next(joined.pipeline.examples("val"))["image"]
    np.testing.assert_array_equal(again.system.net(images), joined.system.net(images))
    kept = resolved_recipe.to_json(again.resolved)["origins"]["model.parts"]
    resumed = catalog.load(tmp_path / "ensemble.yaml").settled(catalog.from_run(tmp_path / "joined").decided())  # as `kvision train --resume` does
    assert session.settled(resumed) == again.recipe
    assert [part["run"] for part in kept["value"]] == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_all_snapshots_of_a_run_are_members_by_one_name(runs: tuple[Path, dict[str, Session]]) -> None:
    joined = opened(runs[0], "ensemble", "{members: [a/checkpoints, b]}")
    assert [Path(part.run).name for part in joined.system.options.parts] == ["step-00000001", "step-00000002", "b"]


def test_members_that_are_trained_together_learn_as_each_would_alone(tmp_path: Path) -> None:
    made = opened(tmp_path, "ensemble", f"{{parts: {PARTS}}}")
    batch = next(iter(made.pipeline.train(0)))
    whole = made.system.example_losses(batch)
    alone = [member.system.example_losses(batch) for member in made.system._members]
    np.testing.assert_allclose(whole, tf.add_n(alone), rtol=1e-4)
    assert not np.allclose(alone[0], alone[1])
    other = made.system.with_networks(made.system.build())
    assert not np.allclose(other.example_losses(batch), whole)
    np.testing.assert_array_equal(made.system.example_losses(batch), whole)  # still on its own networks
    assert made.system.expected_initial_loss() == pytest.approx(2 * np.log(10))
    frozen = {variable.path for variable in made.system.net.weights} - {variable.path for variable in made.system.trainables()["net"]}
    assert frozen == {"member1_whiten/kernel", "member1_whiten/bias"}
    assert made.system.net.get_layer("member1_whiten").bias.numpy().any()  # fitted: it begins at 0


def test_where_pictures_have_several_classes_yes_and_no_are_averaged() -> None:
    parts = ({"system": "classification/mlp", "model": {"hidden": [5]}}, {"system": "classification/mlp", "model": {"hidden": [6]}})
    recipe = nets.recipe(Ensemble, 8, parts=parts)
    system = Ensemble(recipe.model_copy(update={"system": "classification/ensemble"}), examples.SEVERAL)
    system.networks = system.build()
    batch = examples.batch()
    expected = np.mean([tf.sigmoid(member.net(batch["image"])) for member in system._members], axis=0)
    found = system.predict_step(batch["image"])
    np.testing.assert_allclose(found["probabilities"], expected, rtol=1e-5)
    np.testing.assert_array_equal(found["classes"], expected > 0.5)


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_the_heat_of_the_whole_picture_is_its_probability(average: str) -> None:
    parts = tuple({"system": "classification/lenet", "model": {"filters": filters}} for filters in ([3, 5], [4, 6]))
    system, preprocess = nets.made(Ensemble, 28, 3, parts=parts, average=average), Preprocess(28, "crop", (0.5,) * 3, (0.5,) * 3)
    picture = np.random.default_rng(0).integers(0, 256, (28, 28, 3)).astype(np.uint8)
    whole = system.predict_step(preprocess.normalise(tf.constant(picture))[None])["probabilities"][0]
    heat = system.heat(preprocess)(picture, {"probabilities": whole.numpy()}).arrays["logits"]
    np.testing.assert_allclose(tf.nn.softmax(heat)[0, 0], whole, rtol=1e-4)


def fails(folder: Path, model: str, message: str, *overrides: str) -> None:
    with pytest.raises(UsageError, match=message):
        opened(folder, "ensemble", model, *overrides)


def test_members_that_do_not_fit_are_refused(runs: tuple[Path, dict[str, Session]], tmp_path: Path) -> None:
    folder = runs[0]
    fails(folder, "{members: [a, b]}", r"a was trained with data\.size_px=16, here it is 8; all must have the same", "data.size_px=8")
    fails(folder, "{members: [a, b]}", r"a was validated on other examples .* val_split, val_size and split_seed", "data.split_seed=1")
    fails(folder, "{members: [a, nowhere]}", r"model\.members: nowhere is no folder, neither in .* nor here; give a run or a checkpoint in it")
    fails(folder, "{members: [a]}", r"model\.members: got a, expected two members or more")
    for name in ("a", "b"):
        shutil.copytree(folder / name, tmp_path / name)
    data = json.loads((tmp_path / "b/data.json").read_text())
    (tmp_path / "b/data.json").write_text(json.dumps(data | {"preprocess": data["preprocess"] | {"mean": [0.5] * 3}}))
    fails(tmp_path, "{members: [a, b]}", r"b was trained on pictures of mean 0\.5000/0\.5000/0\.5000 and .* train them on the same examples")
    (tmp_path / "b/data.json").write_text(json.dumps(data | {"class_names": ["even", "odd"]}))
    fails(tmp_path, "{members: [a, b]}", r"b was trained with data\.classes=\['even', 'odd'\], here it is \['0', ")
    index = tmp_path / "a/checkpoints/index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"kept": []}))
    fails(tmp_path, "{members: [a/checkpoints, b]}", r"a/checkpoints keeps no snapshots; train with optim\.schedule=cosine_restarts")


def test_a_member_that_asks_the_data_is_no_part_unless_it_is_told(tmp_path: Path) -> None:
    parts = "{parts: [{system: classification/knn, model: {examples: %s}}, {system: classification/mlp}]}"
    fails(tmp_path, parts % "auto", r"model\.parts: classification/knn leaves model\.examples to the data; set it, or train a run and name it")
    handmade = "{parts: [{system: classification/mlp, model: {features: hog}}, {system: classification/mlp}]}"
    fails(tmp_path, handmade, r"model\.parts: classification/mlp with these options sees pictures otherwise than the others do; train it")
    made = opened(tmp_path, "ensemble", parts % "40")
    images = next(made.pipeline.examples("train"))["image"]
    votes = made.system._members[0].net(images)
    np.testing.assert_array_equal(np.argmax(votes, -1), next(made.pipeline.examples("train"))["label"])  # each is its own nearest neighbour


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{}", r"model\.parts: got 0, expected two or more, or trained runs in model\.members, such as \[runs/a, runs/b\]"),
        ("{parts: [{system: classification/lenet}, {system: classification/lene}]}", r"system: got 'classification/lene', expected one of"),
        ("{parts: [{system: classification/mlp}, {system: segmentation/unet}]}", r"system: got segmentation/unet; a member is a single classifier"),
        ("{parts: [{system: classification/mlp}, {system: classification/mlp, model: {hiden: [3]}}]}", r"hiden"),
        (
            "{parts: [{system: classification/mlp}, {system: classification/mlp, model: {components: 3}}]}",
            r"model\.components: 3 has no effect on whiten",
        ),
        (
            "{parts: [{system: classification/mlp}, {system: classification/mlp, model: {weights: runs/a}}]}",
            r"model\.weights: runs/a is for a member that is trained by itself",
        ),
        ("{parts: [{system: classification/mlp}, {system: classification/mlp, run: runs/a}]}", r"run: runs/a is set by kvision; to join runs, name"),
    ],
)
def test_senseless_ensembles_are_refused_before_anything_is_built(model: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        opened(tmp_path, "ensemble", model)


def test_the_members_stand_in_for_the_parts_of_the_recipe(runs: tuple[Path, dict[str, Session]]) -> None:
    joined = opened(runs[0], "ensemble", f"{{parts: {PARTS}}}", "model.members=[a, b]")
    assert [type(member.system).__name__ for member in joined.system._members] == ["LeNet", "MLP"]
    assert joined.resolved.origins["model.parts"].asked.startswith("recipe ")
    assert isinstance(joined.system._members[1].system, MLP)


@pytest.mark.slow  # builds every classifier three times
@pytest.mark.parametrize("name", [name for name in catalog.systems() if name.startswith("classification/") and not name.endswith("/ensemble")])
def test_every_classifier_can_be_a_member(name: str) -> None:
    system = subject.build(name)
    part = _members.Part(system=name, model=system.recipe.model.model_dump(mode="json"))
    image = keras.Input(system.net.input.shape[1:], name="image")
    recipe = system.recipe.model_copy(update={"system": "classification/ensemble"})
    members = [_members.build(part, number, recipe, system.info, image) for number in range(2)]
    joined = keras.Model(image, keras.layers.Average()([member.net.output for member in members]))
    for number, member in enumerate(members):
        subject.fill(member.system.net, number)
        member.take()
    pictures = subject.scattered((2, *image.shape[1:])).astype(np.float32)
    each = [member.system.net(pictures) for member in members]
    assert not np.allclose(*each)
    np.testing.assert_allclose(joined(pictures), np.mean(each, axis=0), rtol=1e-5, atol=1e-6)
    assert len(state.weights({"net": joined})) == 2 * len(members[0].names)
