from __future__ import annotations

import numpy as np
import pytest

from kvision.data.scenes import compose, objects
from kvision.data.sources.scenes import Options

PLAIN = {"size_px": 64, "clutter": 0.0, "light": 0.0, "noise": 0.0}


def scenes(count=20, kind="digits", **options):
    library, made = objects.library(kind, "val"), Options(**{"size_px": 64, "objects": kind, **options})
    return [compose.draw(np.random.default_rng(seed), made, library) for seed in range(count)]


def test_the_labels_belong_together():
    for scene in scenes():
        assert scene.image.shape == (64, 64, 3)
        assert scene.image.dtype == scene.mask.dtype == scene.instances.dtype == np.uint8
        labels = np.array([0, *(thing.label for thing in scene.things)])
        np.testing.assert_array_equal(scene.mask, labels[scene.instances])
        assert set(np.unique(scene.instances)) == set(range(len(scene.things) + 1))
        for number, thing in enumerate(scene.things, start=1):
            rows, columns = np.nonzero(scene.instances == number)
            assert thing.box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)


def test_as_many_objects_as_asked_for_and_a_sensible_ground():
    made = scenes(60, size_px=128)
    counts = [len(scene.things) for scene in made]
    assert (min(counts), max(counts)) == (4, 7)
    assert 0.72 <= np.mean([scene.mask == 0 for scene in made]) <= 0.88
    heights = [thing.box[2] - thing.box[0] for scene in made for thing in scene.things]
    assert 24 <= np.percentile(heights, 5) < np.percentile(heights, 95) <= 72
    assert {thing.label for scene in made for thing in scene.things} == set(range(1, 11))


def test_the_same_generator_gives_the_same_scene():
    for one, other in zip(scenes(3), scenes(3), strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.instances, other.instances)
        assert one.things == other.things
    assert (scenes(2)[0].image != scenes(2)[1].image).any()


def test_the_mask_is_where_the_object_is_seen():
    """On a scene without light, noise and clutter, drawing the objects is all that tells two pictures with the same ground apart."""
    for scene in scenes(12, **PLAIN, min_objects=1, max_objects=1, contrast=0.6, overlap=0.0):
        inside, ring = scene.mask > 0, np.zeros_like(scene.mask, bool)
        ring[1:-1, 1:-1] = ~inside[1:-1, 1:-1] & (inside[2:, 1:-1] | inside[:-2, 1:-1] | inside[1:-1, 2:] | inside[1:-1, :-2])
        core = inside.copy()
        core[1:-1, 1:-1] &= inside[2:, 1:-1] & inside[:-2, 1:-1] & inside[1:-1, 2:] & inside[1:-1, :-2]
        middle, edge = (scene.image[where].astype(float).mean(axis=0) for where in (core, ring))
        assert np.abs(middle - edge).max() > 40


def test_nothing_is_hidden_more_than_overlap_allows():
    for overlap in (0.0, 0.2):
        hidden = []
        for scene in scenes(10, kind="shapes", overlap=overlap, clutter=0.0, min_objects=5, max_objects=5):
            hidden += [np.count_nonzero(scene.instances == number) for number in range(1, len(scene.things) + 1)]
        assert min(hidden) > 20
    apart = scenes(10, kind="shapes", overlap=0.0, clutter=1.0, min_objects=4, max_objects=4)
    together = scenes(10, kind="shapes", overlap=0.6, clutter=1.0, min_objects=4, max_objects=4)
    assert sum((scene.mask > 0).sum() for scene in apart) < sum(len(scene.things) for scene in together) * 64 * 64


def test_claiming_pixels_is_refused_where_it_hides_too_much():
    canvas = compose._Canvas(np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8))
    everywhere = (slice(None), slice(None))
    cover = np.zeros((4, 4), bool)
    cover[:2] = True
    assert canvas.put(everywhere, cover, 1)
    canvas.least.append(6.0)  # of its 8 pixels, 6 must stay
    assert not canvas.put(everywhere, cover, 2)
    corner = np.ones((2, 1), bool)
    assert canvas.put((slice(0, 2), slice(0, 1)), corner, 0)
    assert canvas.seen[1] == 6 == np.count_nonzero(canvas.instances == 1)
    assert not canvas.put((slice(0, 2), slice(1, 2)), corner, 0)
    assert canvas.seen[1] == 6


def test_ink_differs_from_the_ground_by_the_contrast_and_from_the_others():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        below, used = np.full((9, 3), rng.random(3), np.float32), []
        for _ in range(3):
            used.append(compose._choose_ink(rng, 0.3, below, used))
            assert np.abs(compose._INKS[used[-1]] - below[0]).max() >= 0.3
        assert len(set(used)) == 3
    assert compose._choose_ink(rng, 1.0, np.full((1, 3), 0.9, np.float32), []) == list(compose.INKS).index("black")


@pytest.mark.parametrize("turn", [0.0, 90.0, 180.0])
def test_a_patch_holds_the_whole_object(turn):
    item = objects.library("shapes", "val").items[2][0]
    options = Options(rotate_deg=turn)
    for seed in range(8):
        cover, shadow, picture = compose._turn(np.random.default_rng(seed), options, item, 40.0)
        assert picture is None
        assert cover.shape == shadow.shape
        edge = np.concatenate([cover[0], cover[-1], cover[:, 0], cover[:, -1]])
        assert edge.max() < 0.5
        assert 0.25 * 40**2 < np.count_nonzero(cover >= 0.5) < 1.3 * 40**2
