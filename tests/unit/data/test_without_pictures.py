"""The pipeline on examples without pictures: nothing is normalised or augmented, and consecutive examples keep their lanes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.core.errors import DataError, RecipeError
from kvision.core.schema import SourceOptions
from kvision.data import host, show
from kvision.data.pipeline import Pipeline
from kvision.data.source import DataInfo, Source, SplitName
from kvision.engine.sanity import suite
from kvision.engine.session import open_session
from kvision.report import folder, page


class Vectors:
    """Observations `[3]` that hold their own number; in memory, or read one by one."""

    def __init__(self, count: int, *, in_memory: bool, consecutive: bool) -> None:
        self.names = [f"vectors/{number}" for number in range(count)]
        self.in_memory, self.consecutive = in_memory, consecutive
        self._values = np.tile(np.arange(count, dtype=np.float32)[:, None], 3)

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        return {name: tf.gather(host.tensor(self._values), index) for name in fields}


class Observations(Source):
    Options: ClassVar[type[SourceOptions]] = SourceOptions
    info = DataInfo((), (), frozenset({"observation"}))
    in_memory, consecutive = True, False

    def split(self, name: SplitName) -> Vectors:
        return Vectors(22 if name == "train" else 7, in_memory=self.in_memory, consecutive=self.consecutive)


class OneByOne(Observations):
    in_memory = False


class Consecutive(Observations):
    consecutive = True


def pipeline(source: type[Source] = Observations, **options: Any) -> Pipeline:
    section = SourceOptions(source="observations", batch=4, **options)
    return Pipeline(source(section, seed=0, base=Path()), section, frozenset({"observation"}), 0)


@pytest.mark.parametrize("source", [Observations, OneByOne])
@pytest.mark.parametrize("cache", ["ram", "none"])
def test_batches_hold_the_fields_as_they_are(source: type[Source], cache: str) -> None:
    made = pipeline(source, cache=cache)
    assert {name: tuple(spec.shape) for name, spec in made.train(0).element_spec.items()} == {"observation": (4, 3), "index": (4,), "weight": (4,)}
    for dataset in (made.train(0).take(5), made.val()):
        for batch in dataset.as_numpy_iterator():
            np.testing.assert_array_equal(batch["observation"], np.tile(batch["index"][:, None], 3).astype(np.float32))
    assert sum(batch["weight"].sum() for batch in made.val().as_numpy_iterator()) == 7


def test_the_report_says_that_there_is_no_preprocessing_and_the_rest_as_ever() -> None:
    report = pipeline().report()
    assert report["preprocess"] is None
    assert (report["num_train"], report["num_val"], report["fields"], report["class_names"]) == (22, 7, ["observation"], [])


def test_what_needs_pictures_says_so() -> None:
    made = pipeline()
    assert not made.pictures
    for ask in (lambda: made.preprocess, lambda: show.overview(made, 4)):
        with pytest.raises(DataError, match=r"data\.source: observations has no pictures, and they are needed here; it gives observation"):
            ask()


def test_values_that_are_no_pictures_are_not_normalised() -> None:
    values = np.array([[1.0, 2.0]], np.float32)
    np.testing.assert_array_equal(pipeline().normalised({"observation": values})["observation"], values)


def test_each_place_of_a_batch_reads_on_where_it_stopped() -> None:
    made = pipeline(Consecutive)
    assert made.steps_per_epoch == 5
    numbers = np.stack([batch["index"] for batch in made.train(0).take(10).as_numpy_iterator()])
    lanes = np.arange(20).reshape(4, 5).T  # worked by hand: place j goes through 5 j to 5 j + 4
    np.testing.assert_array_equal(numbers, np.concatenate([lanes, lanes]))
    np.testing.assert_array_equal(made.indices(7), lanes[2])


def test_two_replicas_and_a_later_start_see_the_same_lanes() -> None:
    made = pipeline(Consecutive)
    halves = [batch["index"] for batch in made.train(3, tf.distribute.InputContext(1, 0, 2)).take(2).as_numpy_iterator()]
    np.testing.assert_array_equal(np.concatenate(halves), made.indices(3))


def test_a_system_that_sees_pictures_refuses_a_source_of_text_before_anything_is_built() -> None:
    said = r"data\.source: text has no pictures, which segmentation/unet is given; use a source of pictures, such as scenes"
    with pytest.raises(RecipeError, match=said):
        catalog.load("unet", ["data.source=text"])


@pytest.mark.parametrize(
    ("source", "sizes", "said"),
    [("digits", "", "digits has no texts; it gives image, label"), ("scenes", ", train_size: 8, val_size: 4", "scenes has no text; it gives")],
)
def test_a_system_that_reads_refuses_a_source_of_pictures(source: str, sizes: str, said: str, tmp_path: Path) -> None:
    given = tmp_path / "recipe.yaml"
    given.write_text(f"system: sequence/char_rnn\nmodel: {{width: 4}}\nloss: {{}}\ndata: {{source: {source}, batch: 4{sizes}}}\n")
    with pytest.raises(DataError, match=said):
        open_session(catalog.load(given), catalog.system("sequence/char_rnn"), catalog.source(source), devices="cpu", training=False)


def test_the_tests_of_a_recipe_say_that_they_look_at_pictures() -> None:
    resolved = catalog.load("char_rnn", smoke=True)
    with pytest.raises(DataError, match=r"data\.source: text has no pictures, and the tests look at pictures and their labels"):
        list(suite.run(resolved, catalog.system("sequence/char_rnn"), catalog.source("text")))


def test_the_page_of_a_run_without_pictures_does_not_offer_to_predict_any(tmp_path: Path) -> None:
    runs = {told: folder.RunFolder(tmp_path, {}, data={"preprocess": told}) for told in (None, "resize")}
    offered = {told: [purpose for purpose, _ in page.commands(run)] for told, run in runs.items()}
    assert set(offered["resize"]) - set(offered[None]) == {"Predict pictures of your own"}
