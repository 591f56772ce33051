from __future__ import annotations

import numpy as np
import pytest

from kvision.core.errors import DataError
from kvision.data import classes


@pytest.mark.parametrize(
    ("words", "names"),
    [(["dog", "cat", "dog"], ("cat", "dog")), (["10", "9", "0"], ("0", "9", "10")), (["10", "9", "a"], ("10", "9", "a"))],
)
def test_names_are_sorted(words, names):
    assert classes.of_words(words) == names


def test_names_of_numbers():
    assert classes.of_numbers(None, [np.array([0, 2]), np.array([1])]) == ("0", "1", "2")
    assert classes.of_numbers(None, [np.zeros((2, 4))]) == ("0", "1", "2", "3")
    assert classes.of_numbers(None, [np.array([0, 2])], first=1) == ("1", "2", "3")
    assert classes.of_numbers(["a", "b", "c"], [np.array([0, 1])]) == ("a", "b", "c")
    with pytest.raises(DataError, match=r"data.classes: names 2 classes, the labels hold 3 \(0..2\)"):
        classes.of_numbers(["a", "b"], [np.array([2])])
    with pytest.raises(DataError, match="labels go up to 1000000"):
        classes.of_numbers(None, [np.array([10**6])])


def test_words_become_numbers():
    assert classes.numbered([["dog"], ["cat"]], ("cat", "dog"), ["a", "b"], several=False).tolist() == [1, 0]
    assert classes.numbered([["1"], ["0"]], ("cat", "dog"), ["a", "b"], several=False).tolist() == [1, 0]
    assert classes.numbered([["5"], ["3"]], ("3", "5"), ["a", "b"], several=False).tolist() == [1, 0]
    assert classes.numbered([["dog", "cat"], []], ("cat", "dog"), ["a", "b"], several=True).tolist() == [[1, 1], [0, 0]]
    with pytest.raises(DataError, match=r"list.csv:2: the label 'dgo' is none of the 2 classes; did you mean \"dog\""):
        classes.numbered([["dog"], ["dgo"]], ("cat", "dog"), ["list.csv:1", "list.csv:2"], several=False)
    with pytest.raises(DataError, match="a: has 2 labels, one is needed"):
        classes.numbered([["dog", "cat"]], ("cat", "dog"), ["a"], several=False)
    with pytest.raises(DataError, match="the label '2' is none"):
        classes.numbered([["1"], ["2"]], ("cat", "dog"), ["a", "b"], several=False)
