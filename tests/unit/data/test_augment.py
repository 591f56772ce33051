"""Augmentation: joint, stateless, each transform on its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.schema import AugmentOptions
from kvision.data.augment import TRANSFORMS, Warp, augment, ends_with_colour, flip, is_identity, part, warp
from kvision.data.preprocess import Preprocess
from kvision.ops import geometry
from tests.fakes import COLOURS

SIZE = 96
GEOMETRIC = ("flip_x", "flip_y", "rotate", "scale", "shear", "elastic", "lens", "translate")


def example() -> dict[str, tf.Tensor]:
    """Two ellipses, one before the other, whose colours tell their classes."""
    rows, cols = np.mgrid[:SIZE, :SIZE] + 0.5
    mask = np.zeros([SIZE, SIZE], np.uint8)
    boxes = []
    for item, (y, x, high, wide) in enumerate([(38, 40, 22, 15), (62, 60, 14, 20)], start=1):
        mask[((rows - y) / high) ** 2 + ((cols - x) / wide) ** 2 < 1] = item
        boxes.append([y - high, x - wide, y + high, x + wide])
    return {
        "image": tf.constant(COLOURS[mask]),
        "mask": tf.constant(mask),
        "instances": tf.constant(mask),
        "boxes": tf.constant([*boxes, [-1] * 4], tf.float32),
        "labels": tf.constant([1, 2, -1]),
        "order": tf.constant([0, 1, -1]),
        "captions": tf.constant(["two ellipses"] * 5),
    }


def only(*names: str, **more: Any) -> AugmentOptions:
    return AugmentOptions(**dict.fromkeys(names, 1.0), **more)


def run(options: AugmentOptions, seed: int, fields: dict[str, tf.Tensor] | None = None) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in augment(fields or example(), options, tf.constant([seed, 7], tf.int64)).items()}


def box_of(mask: np.ndarray) -> np.ndarray:
    rows, cols = np.nonzero(mask)
    return np.array([rows.min(), cols.min(), rows.max() + 1, cols.max() + 1], np.float32)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    overlap = sides.prod()
    return overlap / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - overlap)


def test_probability_0_is_the_identity_bit_for_bit() -> None:
    options = AugmentOptions()
    assert is_identity(options)
    fields = example()
    assert all(value is fields[name] for name, value in augment(fields, options, tf.constant([0, 1])).items())
    never = AugmentOptions(**dict.fromkeys(TRANSFORMS, 1e-9))
    assert not is_identity(never)
    for name, value in run(never, 3).items():
        np.testing.assert_array_equal(value, fields[name], err_msg=name)


def test_every_probability_of_the_recipe_is_a_transform() -> None:
    probabilities = {name for name, field in AugmentOptions.model_fields.items() if field.default == 0.0}
    assert probabilities == {*TRANSFORMS, "mixup", "cutmix"}  # those two are drawn for pairs, in kvision.data.mixing


def test_a_picture_is_normalised_with_its_colours_only_where_nothing_changes_it_later() -> None:
    assert ends_with_colour(only("colour", "flip_x", "rotate", "randaugment"))
    assert not ends_with_colour(only("flip_x"))
    assert not any(ends_with_colour(only("colour", later)) for later in ("blur", "noise", "cutout", "mixup", "cutmix"))


def test_the_same_seed_gives_the_same_example_and_another_one_another() -> None:
    options = only(*TRANSFORMS)
    first, again, other = run(options, 1), run(options, 1), run(options, 2)
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name], err_msg=name)
    assert np.abs(first["image"] - other["image"]).mean() > 1


def test_graph_and_eager_agree() -> None:
    options = AugmentOptions(**dict.fromkeys(TRANSFORMS, 0.5))
    seeds = tf.data.Dataset.range(3).map(lambda seed: augment(example(), options, tf.stack([seed, 7])))
    for seed, traced in enumerate(seeds.as_numpy_iterator()):
        eager = run(options, seed)
        np.testing.assert_array_equal(traced["mask"], eager["mask"])
        np.testing.assert_allclose(traced["image"], eager["image"], atol=0.01)


@pytest.mark.parametrize("axis", [0, 1])
def test_flipped_twice_is_the_identity_and_flipped_once_is_numpys(axis: int) -> None:
    fields = example()
    once = flip(fields, axis)
    for name in ("image", "mask", "instances"):
        np.testing.assert_array_equal(once[name], np.flip(fields[name], axis))
    for name, value in flip(once, axis).items():
        np.testing.assert_array_equal(value, fields[name], err_msg=name)


def test_turned_by_90_degrees_is_numpys_rot90() -> None:
    fields = example()
    matrix = geometry.affine(SIZE, SIZE, tf.constant(np.pi / 2, tf.float32), tf.constant(1.0), tf.constant(0.0), tf.zeros([2]))
    turned = warp(fields, Warp(matrix, tf.constant(0.0)))
    np.testing.assert_allclose(turned["image"], np.rot90(fields["image"]), atol=0.02)
    np.testing.assert_array_equal(turned["mask"], np.rot90(fields["mask"]))
    top, left, bottom, right = fields["boxes"][0].numpy()
    np.testing.assert_allclose(turned["boxes"][0], [SIZE - right, top, SIZE - left, bottom], atol=1e-3)


@pytest.mark.parametrize("name", GEOMETRIC)
def test_image_and_mask_stay_aligned_to_a_pixel(name: str) -> None:
    for seed in range(4):
        out = run(only(name), seed)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(out["mask"], 1, constant_values=255), (3, 3))
        inner = (windows == out["mask"][..., None, None]).all((2, 3)) & (out["mask"] != 255)
        assert inner.mean() > 0.5
        difference = np.abs(out["image"] - COLOURS[np.where(inner, out["mask"], 0)]).max(-1)
        assert (difference[inner] < 1).mean() > 0.999
        np.testing.assert_array_equal(out["instances"][out["mask"] != 255], out["mask"][out["mask"] != 255])


@pytest.mark.parametrize("name", GEOMETRIC)
def test_boxes_follow_the_instances(name: str) -> None:
    rows, cols = np.mgrid[:SIZE, :SIZE] + 0.5
    blob = (((rows - 45) / 26) ** 2 + ((cols - 50) / 20) ** 2 < 1).astype(np.uint8)
    fields = {
        "image": tf.constant(COLOURS[blob]),
        "instances": tf.constant(blob),
        "boxes": tf.constant([[19, 30, 71, 70]], tf.float32),
        "labels": tf.constant([1]),
    }
    moved = 0.0
    for seed in range(6):
        out = run(only(name), seed, fields)
        assert iou(out["boxes"][0], box_of(out["instances"])) > 0.9, seed
        moved = max(moved, 1 - iou(out["boxes"][0], np.array([19, 30, 71, 70])))
    assert moved > 0.02, "the transform moved nothing, so the test would pass for a box that stays"


def test_all_transforms_at_once_keep_boxes_on_their_instances() -> None:
    for seed in range(6):
        out = run(only(*GEOMETRIC), seed)
        if out["labels"][1] == 2:
            assert iou(out["boxes"][1], box_of(out["instances"] == 2)) > 0.8
        np.testing.assert_array_equal(out["boxes"][2], [-1] * 4)


def test_a_box_that_leaves_the_picture_is_dropped_with_its_label() -> None:
    fields = {**example(), "boxes": tf.constant([[0, 0, 12, 12], [40, 40, 56, 56], [-1] * 4], tf.float32)}
    matrix = geometry.affine(SIZE, SIZE, tf.constant(0.0), tf.constant(2.0), tf.constant(0.0), tf.zeros([2]))
    out = warp(fields, Warp(matrix, tf.constant(0.0)))
    np.testing.assert_allclose(out["boxes"], [[-1] * 4, [32, 32, 64, 64], [-1] * 4], atol=1e-3)
    np.testing.assert_array_equal(out["labels"], [-1, 2, -1])
    np.testing.assert_array_equal(out["order"], [-1, 1, -1])


def test_colour_blur_and_noise_leave_masks_and_boxes_alone() -> None:
    fields = example()
    for name in ("colour", "blur", "noise"):
        out = run(only(name), 5)
        assert np.abs(out["image"] - fields["image"].numpy()).mean() > 0.5
        assert out["image"].min() >= 0
        assert out["image"].max() <= 255
        for other in ("mask", "instances", "boxes", "labels", "order", "captions"):
            np.testing.assert_array_equal(out[other], fields[other])


def test_cutout_erases_one_square_of_image_mask_and_instances() -> None:
    fields = example()
    options = only("cutout", cutout_size=0.25)
    areas = set()
    for seed in range(8):
        out = {name: value.numpy() for name, value in augment(fields, options, tf.constant([seed, 7]), padding=(1, 2, 3)).items()}
        erased = (out["image"] == [1, 2, 3]).all(-1)
        top, left, bottom, right = box_of(erased)
        assert erased.sum() == (bottom - top) * (right - left)
        areas.add(erased.sum())
    assert max(areas) == 24 * 24
    assert min(areas) < 24 * 24, "a square may lie partly beyond the edge"
    np.testing.assert_array_equal(out["mask"] == 255, erased)
    np.testing.assert_array_equal(out["instances"], np.where(erased, 0, fields["instances"]))
    np.testing.assert_array_equal(out["boxes"], fields["boxes"])


def test_a_transforms_draws_do_not_depend_on_the_others() -> None:
    cutout = [
        run(AugmentOptions(cutout=0.5, **more), seed)["mask"] == 255
        for more in ({}, {"colour": 1.0, "noise": 0.3, "flip_x": 1.0})
        for seed in range(8)
    ]
    for alone, along in zip(cutout[:8], cutout[8:], strict=True):
        np.testing.assert_array_equal(alone, along)
    assert 0 < sum(mask.any() for mask in cutout[:8]) < 8
    alone, along = (run(AugmentOptions(rotate=1.0, **more), 4)["mask"] for more in ({}, {"colour": 1.0, "blur": 1.0, "noise": 1.0}))
    np.testing.assert_array_equal(alone, along)


def test_transforms_are_drawn_as_often_as_asked_and_independently() -> None:
    fields = {"image": tf.constant(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))}
    options = AugmentOptions(flip_x=0.3, flip_y=0.6)
    images = np.stack(list(tf.data.Dataset.range(2000).map(lambda i: augment(fields, options, tf.stack([3, i]))["image"]).as_numpy_iterator()))
    across, down = images[:, 0, 0, 0] % 6 == 3, images[:, 0, 0, 0] >= 6
    assert abs(across.mean() - 0.3) < 0.035
    assert abs(down.mean() - 0.6) < 0.035
    assert abs((across & down).mean() - 0.18) < 0.035


def test_flips_alone_keep_bytes() -> None:
    assert run(only("flip_x"), 0)["image"].dtype == np.uint8


def test_strengths_of_0_change_almost_nothing() -> None:
    still = only(
        *(name for name in TRANSFORMS[2:] if name not in ("cutout", "randaugment", "resized_crop")),
        rotate_deg=0,
        scale_range=(1, 1),
        shear_deg=0,
        elastic_px=0,
        lens_strength=0,
        brightness=0,
        contrast=0,
        saturation=0,
        hue=0,
        blur_px=0,
        noise_std=0,
        translate_share=0,
    )
    fields, out = example(), run(still, 1)
    np.testing.assert_allclose(out["image"], fields["image"], atol=0.02)
    np.testing.assert_array_equal(out["mask"], fields["mask"])
    np.testing.assert_allclose(out["boxes"], fields["boxes"], atol=1e-3)


def test_a_move_blurs_nothing_and_goes_as_far_as_asked() -> None:
    fields, moves = {"image": tf.constant(np.random.default_rng(0).integers(0, 256, (24, 16, 3)), tf.uint8)}, set()
    padded = np.pad(fields["image"], ((3, 3), (2, 2), (0, 0)), mode="symmetric")
    for seed in range(40):
        image = run(only("translate", translate_share=0.125), seed, fields)["image"]
        found = [(y, x) for y in range(7) for x in range(5) if np.allclose(padded[y : y + 24, x : x + 16], image, rtol=0, atol=0.01)]
        assert len(found) == 1, seed
        moves.update(found)
    assert {y for y, _ in moves} == set(range(7))
    assert {x for _, x in moves} == set(range(5))


def parts(options: AugmentOptions, fields: dict[str, tf.Tensor], count: int) -> list[dict[str, np.ndarray]]:
    graph = tf.function(lambda seed: part(fields, options, tf.stack([seed, 7]), Preprocess(64, "resize", (0.5,) * 3, (0.2,) * 3)))
    return [{name: value.numpy() for name, value in graph(tf.constant(seed, tf.int64)).items()} for seed in range(count)]


def test_resized_crops_have_the_areas_and_shapes_asked_for_and_lie_anywhere_in_the_picture_as_it_is_stored() -> None:
    # The picture, of another shape than the square, holds its own coordinates, so that what is seen tells the part.
    height, width = 100, 200
    rows, cols = np.mgrid[:height, :width]
    fields = {"image": tf.constant(np.stack([rows, cols, 0 * rows], -1), tf.uint8)}
    areas, ratios, tops, lefts, bottoms = [], [], [], [], []
    for found in parts(only("resized_crop", crop_area=(0.1, 0.4), crop_aspect=(0.5, 2.0)), fields, 80):
        image = found["image"]
        high, wide = ((image[-9, :, 0] - image[8, :, 0]).mean() / 47 * 64, (image[:, -9, 1] - image[:, 8, 1]).mean() / 47 * 64)
        areas.append(high * wide / (height * width))
        ratios.append(wide / high)
        tops.append(image[8, 8, 0] - 8.5 * high / 64 + 0.5)
        lefts.append(image[8, 8, 1] - 8.5 * wide / 64 + 0.5)
        bottoms.append(tops[-1] + high)
    assert 0.09 < min(areas) < 0.15
    assert 0.33 < max(areas) < 0.41
    assert 0.49 < min(ratios) < 0.7
    assert 1.4 < max(ratios) < 2.1
    assert -0.01 < min(tops) < 8
    assert -0.01 < min(lefts) < 12
    assert 92 < max(bottoms) < 100.01


def test_masks_and_boxes_follow_resized_crops() -> None:
    mask = np.zeros((90, 150), np.uint8)
    mask[20:60, 50:110] = 1
    fields = {"image": tf.constant(np.repeat(mask[..., None] * 200, 3, -1)), "mask": tf.constant(mask), "boxes": tf.constant([[20.0, 50, 60, 110]])}
    kept = 0
    for found in parts(only("resized_crop", crop_area=(0.3, 1.0)), fields, 20):
        assert ((found["mask"] == 1) == (found["image"][..., 0] >= 100)).mean() > 0.998  # a pixel half of which is covered may be either
        if found["boxes"][0, 0] >= 0:
            kept += 1
            assert iou(box_of(found["mask"]), found["boxes"][0]) > 0.93
    assert kept > 15


def test_where_no_part_is_drawn_the_whole_picture_is_there() -> None:
    fields = {"image": tf.constant(np.random.default_rng(0).integers(0, 256, (48, 80, 3)), tf.uint8)}
    whole = Preprocess(64, "resize", (0.5,) * 3, (0.2,) * 3).place(fields)["image"]
    found = parts(AugmentOptions(resized_crop=0.3), fields, 60)
    assert 8 < sum(not np.array_equal(one["image"], whole) for one in found) < 30


def test_parts_that_shrink_much_are_antialiased() -> None:
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[:, ::2] = 255  # grey from afar
    (found,) = parts(only("resized_crop", crop_area=(1, 1), crop_aspect=(1, 1)), {"image": tf.constant(stripes)}, 1)
    np.testing.assert_allclose(found["image"][2:-2, 2:-2], 127.5, atol=6)


@pytest.mark.parametrize(("name", "value", "message"), [("crop_area", (0.5, 0.2), "smallest comes first"), ("crop_area", (0.5, 1.5), "at most 1")])
def test_ranges_of_crops_that_make_no_sense_are_refused(name: str, value: tuple[float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AugmentOptions(**{name: value})
