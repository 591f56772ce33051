from __future__ import annotations

import re

import pytest

from kvision.core.errors import RecipeError
from kvision.sweep import space
from kvision.sweep.ranges import Choice, Range


def faults(*texts, file=None):
    with pytest.raises(RecipeError) as caught:
        space.check("unet", space.read(texts, file))
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "parameter"),
    [
        ("log(1e-4,1e-1)", Range(1e-4, 1e-1, log=True)),
        (" log( 1e-4 , 1e-1 , 4 ) ", Range(1e-4, 1e-1, log=True, points=4)),
        ("uniform(0, 0.5)", Range(0.0, 0.5)),
        ("int(0,9)", Range(0, 9, whole=True)),
        ("int(8, 64, 8)", Range(8, 64, whole=True, step=8)),
        ("logint(8,256)", Range(8, 256, log=True, whole=True)),
        ("choice(8,16,32)", Choice((8, 16, 32))),
        ("choice(adamw, null, true, 1e-3, [8, 16])", Choice(("adamw", None, True, 1e-3, [8, 16]))),
    ],
)
def test_what_an_option_may_be(text, parameter):
    assert space.read([f"optim.lr={text}"]).parameters == {"optim.lr": parameter}


def test_the_rest_is_held(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text("optim.lr: log(1e-4, 1e-1)\nmodel.width: choice(8, 16)\ntrain.epochs: 3\noptim.name: sgd\n")
    found = space.read(["train.epochs=2", "model.width=int(8, 12)"], file)
    assert found.parameters == {"optim.lr": Range(1e-4, 1e-1, log=True), "model.width": Range(8, 12, whole=True)}
    assert found.fixed == ("train.epochs=2", 'optim.name="sgd"')
    assert found.overrides({"optim.lr": 0.01, "model.width": 8}) == ["train.epochs=2", 'optim.name="sgd"', "optim.lr=0.01", "model.width=8"]
    assert space.check("unet", found).leaves()["train.epochs"] == 2


def test_the_size_of_a_space():
    assert space.read(["model.width=choice(8,16)", "train.seed=int(0,9)"]).size == 20
    assert space.read(["model.width=choice(8,16)", "optim.lr=log(1e-4,1)"]).size is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chioce(8,16)", r"got chioce\(...\), expected one of log\(1e-4, 1e-1\), .*; did you mean \"choice\"\?"),
        ("log(0, 1)", r"got log\(0, 1\), expected values above 0, for 0 has no logarithm; begin at 0.001, or write uniform"),
        ("log(1e-1, 1e-4)", r"0.1 is not below 0.0001"),
        ("log(1)", r"got log\(1\), expected the smallest value, the greatest, perhaps a number of grid points"),
        ("log(a, b)", r"got 'a' in log\(a, b\), expected numbers"),
        ("uniform(0, .inf)", r"got inf in uniform\(0, .inf\)"),
        ("int(0.5, 3)", r"got 0.5 in int\(0.5, 3\), expected whole numbers"),
        ("int(0, 9, 0)", r"got 0 as the step in int\(0, 9, 0\), expected a whole number of 1 or more"),
        ("uniform(0, 1, 1)", r"got 1 as the number of grid points .* expected a whole number of 2 or more"),
        ("logint(1, 9, 2)", r"expected the smallest value, the greatest, such as logint\(8, 256\)"),
        ("choice(8)", r"got 1 value, expected two or more"),
        ("choice(8, 16, 8)", r"got 8 more than once"),
        ("log(1, [)", r"expected values with commas between them"),
    ],
)
def test_a_faulty_range_says_what_to_write(text, message):
    (fault,) = faults(f"optim.lr={text}")
    assert re.search(message, fault)
    assert fault.startswith("command line: optim.lr: ")


def test_all_faults_come_at_once_each_where_it_was_written(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text("# widths\nmodel.widht: choice(8, 16)\nmodel.depth: int(1, 7)\ndata: {batch: 8}\n")
    assert re.search(r"space.yaml:4:7: data: got a section, expected dotted paths, .*`data.batch: ", "\n".join(faults(file=file)))
    file.write_text("# widths\nmodel.widht: choice(8, 16)\nmodel.depth: int(1, 9)\n")
    found = "\n".join(faults("optim.lr=log(1e-4, 1e12)", "optim.name=choice(sgd, adamm)", "train.epochs=0", file=file))
    for part in (
        r"space.yaml:2:14: model.widht: unknown key",
        r'did you mean "width"\?',
        r"model.depth: .*9",
        r"command line: train.epochs: got 0",
        "optim.lr: got 1000000000000",
        "optim.name: got 'adamm'",
        r"optim.name=choice\(sgd, adamm\)\n",
    ):
        assert re.search(part, found), part


def test_every_corner_is_tried():
    (fault,) = faults("model.depth=int(2, 6)", "data.size_px=choice(32, 64)")
    assert "depth" in fault
    assert "32" in fault
    assert space.check("unet", space.read(["model.depth=int(2, 5)", "data.size_px=choice(32, 64)"])).recipe.system == "segmentation/unet"


def test_whole_numbers_have_their_own_range():
    (fault,) = {text.partition("\n")[0] for text in faults("model.width=uniform(8, 32)") if "8.0" in text}
    assert fault.endswith("for whole numbers write int(8, 32)")


def test_a_large_space_is_tried_by_chance_with_every_value_among_it():
    options = [f"data.augment.{name}=choice(0, 0.5, 1)" for name in ("flip_x", "flip_y", "rotate", "scale", "shear")]
    (fault,) = faults(*options[:-1], "data.augment.shear=choice(0, 0.5, 2)")
    assert "data.augment.shear: got 2" in fault


def test_nothing_to_search_and_a_key_twice():
    assert "got nothing to search" in faults("train.epochs=3")[0]
    assert "given twice, first as `optim.lr=log(1e-4, 1)`" in faults("optim.lr=log(1e-4, 1)", "optim.lr=log(1e-3, 1)")[0]
    assert "before the `=`" in faults("optim lr=log(1e-4, 1)")[0]
