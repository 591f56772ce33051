from __future__ import annotations

import numpy as np

from kvision.data.examined import digest


def test_digests_differ_by_a_pixel_and_by_shape():
    image = np.zeros((4, 6, 3), np.uint8)
    other = image.copy()
    other[3, 5, 2] = 1
    assert len({digest(image), digest(other), digest(image.reshape(6, 4, 3))}) == 3
