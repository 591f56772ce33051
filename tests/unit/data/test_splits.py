from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from kvision.core.errors import DataError
from kvision.data import splits
from kvision.data.arrays import ArraySplit
from kvision.data.splits import SplitOptions

SKEWED = np.repeat([0, 1, 2], [70, 25, 5]).astype(np.int32)


def options(**values):
    return SplitOptions(source="digits", **values)


def pool(labels=SKEWED, name="train"):
    return ArraySplit(np.zeros((len(labels), 2, 2), np.uint8), labels, name)


def classes(split):
    return dict(sorted(Counter(split.labels.tolist()).items()))


def test_each_class_gives_its_share():
    made = splits.divide({"train": pool()}, options(val_split=0.2, test_split=0.2))
    assert classes(made["val"]) == classes(made["test"]) == {0: 14, 1: 5, 2: 1}
    assert classes(made["train"]) == {0: 42, 1: 15, 2: 3}
    names = [set(split.names) for split in made.values()]
    assert len(set.union(*names)) == sum(map(len, names)) == 100
    _, reference = train_test_split(SKEWED, test_size=0.2, stratify=SKEWED, random_state=0)
    assert classes(made["val"]) == dict(sorted(Counter(reference.tolist()).items()))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50, 97])
def test_sizes_are_exact_and_the_largest_remainders_get_the_rest(count):
    picked = splits.pick(np.arange(100), SKEWED, count, keep=1)
    assert picked.sum() == count
    drawn = np.bincount(SKEWED[picked], minlength=3)
    if count >= 3:
        assert 1 <= drawn.min() <= 4
    assert np.abs(drawn - count * np.array([0.70, 0.25, 0.05])).max() < (1.2 if count != 3 else 2)


def test_a_class_of_one_stays_in_training():
    labels = np.array([0] * 9 + [1], np.int32)
    made = splits.divide({"train": pool(labels)}, options(val_size=8))
    assert classes(made["val"]) == {0: 8}
    assert classes(made["train"]) == {0: 1, 1: 1}
    with pytest.raises(DataError, match=r"data.val_size: 9 asks for 9 of 10 examples; one of each of the 2 classes .* use at most 8"):
        splits.divide({"train": pool(labels)}, options(val_size=9))


def test_the_order_is_that_of_the_hash():
    names = ["a", "b", "c", "d"]
    expected = sorted(range(4), key=lambda k: hashlib.blake2b(f"7:{names[k]}".encode(), digest_size=8).digest())
    assert splits.order(names, 7).tolist() == expected
    assert any(splits.order(names, seed).tolist() != expected for seed in range(3))


def test_a_new_example_moves_at_most_one_old_one_of_its_class():
    before = pool()
    inside = set(splits.divide({"train": before}, options())["val"].names)
    for number in range(100, 120):
        grown = ArraySplit(np.zeros((101, 2, 2), np.uint8), np.append(SKEWED, 0), "train", positions=np.append(np.arange(100), number))
        after = set(splits.divide({"train": grown}, options())["val"].names) - {f"train/{number}"}
        assert len(inside - after) + len(after - inside) <= 1


def test_what_is_asked_for_val_does_not_change_the_test():
    made = [splits.divide({"train": pool()}, options(test_split=0.2, val_split=share))["test"].names for share in (0.1, 0.5)]
    assert made[0] == made[1]


def test_splits_of_the_data_stay_and_are_cut_evenly():
    pools = {"train": pool(), "val": pool(name="val"), "test": pool(name="test")}
    made = splits.divide(pools, options(train_size=20, val_size=10))
    assert classes(made["train"]) == {0: 14, 1: 5, 2: 1}
    assert [classes(made["val"])[k] for k in (0, 2)] == [7, 1]
    assert made["test"] is pools["test"]
    assert set(made["val"].names) <= set(pools["val"].names)
    with pytest.raises(DataError, match=r"data.val_size: 101 is more than the 100 examples that there are for val; use at most 100"):
        splits.divide(pools, options(val_size=101))


def test_no_test_split_unless_asked_for():
    assert sorted(splits.divide({"train": pool()}, options())) == ["train", "val"]
    assert len(splits.divide({"train": pool()}, options(test_size=30))["test"]) == 30


def test_of_several_classes_the_rarest_is_drawn_evenly():
    labels = np.zeros((100, 3), np.uint8)
    labels[:, 0] = 1
    labels[:40, 1] = 1
    labels[:10, 2] = 1
    labels[95:] = 0
    assert splits.stratum(labels).tolist() == [2] * 10 + [1] * 30 + [0] * 55 + [3] * 5
    made = splits.divide({"train": pool(labels)}, options(val_split=0.2))
    assert made["val"].labels.sum(0).tolist() == [19, 8, 2]


@pytest.mark.parametrize(("numbers", "text"), [([], ""), ([3], "3"), ([0, 1, 2, 7, 9, 10], "0-2, 7, 9-10")])
def test_ranges(numbers, text):
    assert splits.ranges(np.array(numbers, np.int64)) == text


def test_folds_hold_equally_many_of_each_class():
    labels = np.random.default_rng(0).integers(0, 3, 100)
    fold = splits.folds(labels, 4)
    counts = np.array([[np.sum((fold == number) & (labels == label)) for label in range(3)] for number in range(4)])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(np.bincount(fold)) <= 1
    several = splits.folds(np.eye(3, dtype=np.uint8)[labels], 4)
    assert (np.ptp([[np.sum((several == number) & (labels == label)) for label in range(3)] for number in range(4)], axis=0) <= 1).all()


def test_few_of_each_class_are_drawn_by_the_seed_and_more_include_fewer():
    whole = splits.divide({"train": pool()}, options())
    few, more = (splits.divide({"train": pool()}, options(per_class=count), seed=3) for count in (2, 10))
    assert classes(few["train"]) == {0: 2, 1: 2, 2: 2}
    assert classes(more["train"]) == {0: 10, 1: 10, 2: 4}  # all that the rare class has left
    assert set(few["train"].names) < set(more["train"].names) < set(whole["train"].names)
    assert few["val"].names == more["val"].names == whole["val"].names
    assert few["train"].names == splits.divide({"train": pool()}, options(per_class=2), seed=3)["train"].names
    assert few["train"].names != splits.divide({"train": pool()}, options(per_class=2), seed=4)["train"].names
    several = ArraySplit(np.zeros((100, 2, 2), np.uint8), np.eye(3, dtype=np.uint8)[SKEWED], "train")
    assert splits.divide({"train": several}, options(per_class=2))["train"].labels.sum(0).tolist() == [2, 2, 2]
