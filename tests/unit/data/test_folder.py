from __future__ import annotations

import numpy as np

from kvision.data.examined import Examined, digest
from kvision.data.folder import examine, systematic
from tests.unit.data.folders import picture, source, write


def test_examine_counts_the_pixels_of_each_class(tmp_path):
    write(tmp_path, 6)
    one = source(tmp_path, val_split=0.5)
    entries = [*one.inventory.splits["train"], *one.inventory.splits["val"]]
    for found in examine(one, entries, images=True):
        image, mask = picture(int(found.mask_name[6:9]))
        assert found.counts.tolist() == np.bincount(mask.ravel(), minlength=256).tolist()
        assert found.values == {0, 1, 2}
        assert (found.digest, found.faults, found.seams) == (digest(image), [], [])


def test_0_and_255_are_systematic_only_if_nothing_else_is_there(tmp_path):
    write(tmp_path, 4)
    found = [Examined("a", "ma", values=frozenset({0, 255})), Examined("b", "mb", values=frozenset({0}))]
    (fault,) = systematic(source(tmp_path), found)
    assert (fault.kind, fault.files) == ("mask-0-255", ("ma",))
    assert systematic(source(tmp_path, mask_values={0: 0, 255: 1}), found) == []
    assert systematic(source(tmp_path), [*found, Examined("c", "mc", values=frozenset({0, 1}))]) == []
