"""What segmenters share: losses by name, sums that add up, metrics, predictions, scores and pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.core.labels import IGNORE_LABEL
from kvision.data.source import DataInfo
from kvision.losses import segmentation
from kvision.ops import masks
from kvision.systems.segmentation import _picture
from kvision.systems.segmentation.unet import UNet
from tests.unit.systems.segmentation import examples

LOSSES = ("ce", "dice", "ce_dice", "focal", "border_ce")


def sums(system: UNet, batch: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in system.eval_step(batch)[0].items()}


def test_each_name_is_its_loss() -> None:
    batch, logits = examples.batch(), tf.random.normal((4, 8, 8, 3))
    mask, weights = batch["mask"], (1.0, 2.0, 3.0)
    border = segmentation.border_weights(masks.two_nearest(batch["instances"], 8), w0=4.0, sigma_px=2.0)
    expected = {
        "ce": segmentation.cross_entropy(logits, mask, class_weights=weights),
        "ce_dice": segmentation.cross_entropy(logits, mask, class_weights=weights) + segmentation.dice(logits, mask),
        "focal": segmentation.focal(logits, mask, gamma=3.0, class_weights=weights),
        "border_ce": segmentation.cross_entropy(logits, mask, class_weights=weights, pixel_weights=border),
    }
    for name, reference in expected.items():
        extra = {"focal": {"gamma": 3.0}, "border_ce": {"border_w0": 4.0, "border_sigma_px": 2.0}}.get(name, {})
        system = examples.unet(loss={"name": name, "class_weights": weights, **extra})
        np.testing.assert_allclose(system.losses(logits, batch), reference, rtol=1e-5)
    np.testing.assert_allclose(examples.unet(loss={"name": "dice"}).losses(logits, batch), segmentation.dice(logits, mask), rtol=1e-5)


def test_border_weights_need_instances_only_where_the_source_has_them() -> None:
    assert examples.unet(loss={"name": "border_ce"}).fields == {"image", "mask", "instances"}
    plain = DataInfo(examples.INFO.class_names, examples.INFO.palette, frozenset({"image", "mask"}))
    system = examples.unet(loss={"name": "border_ce"}, info=plain)
    assert system.fields == examples.unet().fields == {"image", "mask"}
    batch = {name: value for name, value in examples.batch().items() if name != "instances"}
    assert np.isfinite(system.example_losses(batch)).all()


@pytest.mark.parametrize("name", ["ce", "ce_dice", "focal"])
def test_the_expected_initial_loss_is_that_of_even_probabilities(name: str) -> None:
    batch, system = examples.batch(), examples.unet(loss={"name": name})
    even = float(tf.reduce_mean(system.losses(tf.zeros([4, 8, 8, 3]), batch)))
    assert system.expected_initial_loss() == pytest.approx(even, rel=0.15 if name == "ce_dice" else 1e-5)


def test_the_expected_dice_lies_between_its_bounds_and_weighted_losses_have_none() -> None:
    batch = examples.batch()
    even = float(tf.reduce_mean(examples.unet(loss={"name": "dice"}).losses(tf.zeros([4, 8, 8, 3]), batch)))
    assert 2 / 4 < even < 1
    assert examples.unet(loss={"name": "dice"}).expected_initial_loss() == 3 / 4
    assert examples.unet(loss={"name": "border_ce"}).expected_initial_loss() is None
    assert examples.unet(loss={"name": "ce", "class_weights": (1.0, 2.0, 1.0)}).expected_initial_loss() is None


def test_class_weights_must_be_one_for_each_class() -> None:
    with pytest.raises(UsageError, match=r"loss\.class_weights: 2 values for the 3 classes ground, disc, ring; give one for each"):
        examples.unet(loss={"class_weights": (1.0, 2.0)})


def test_settings_that_the_loss_ignores_are_refused() -> None:
    problems = UNet.check(examples.recipe(loss={"name": "dice", "gamma": 1.0, "class_weights": (1.0, 1.0, 2.0)}))
    assert problems == [
        ("loss.class_weights", "(1.0, 1.0, 2.0) has no effect on loss.name=dice; take it out, or use loss.name=ce or ce_dice or focal or border_ce"),
        ("loss.gamma", "1.0 has no effect on loss.name=dice; take it out, or use loss.name=focal"),
    ]


def test_sums_of_parts_are_the_sums_of_the_whole_and_weight_zero_adds_nothing() -> None:
    system, batch = examples.unet(loss={"name": "ce_dice"}), examples.batch(4)
    whole = sums(system, batch)
    parts = [{name: value[start:end] for name, value in batch.items()} for start, end in ((0, 3), (3, 4))]
    padded = {name: tf.concat([value, value[:1]], axis=0) for name, value in parts[1].items()} | {"weight": tf.constant([1.0, 0.0])}
    for name, value in sums(system, parts[0]).items():
        np.testing.assert_allclose(value + sums(system, padded)[name], whole[name], rtol=1e-5)
    assert whole["confusion"].sum() == 4 * (64 - 3)
    assert {name: whole[name].dtype.name for name in whole if name not in ("loss", "weight")} == dict.fromkeys(
        ("confusion", "boundary_true", "boundary_found", "boundary_predicted", "boundary_right"), "int64"
    )


def test_metrics_of_a_known_matrix() -> None:
    matrix = np.array([[50, 0, 0], [10, 30, 0], [0, 0, 0]])
    boundary = {name: np.array([8, 4, 0]) for name in ("boundary_true", "boundary_found", "boundary_predicted")}
    totals = {"loss": np.float64(3.0), "weight": np.float64(4.0), "confusion": matrix, **boundary, "boundary_right": np.array([8, 0, 0])}
    metrics = examples.unet().metrics(totals)
    assert metrics == pytest.approx(
        {
            "loss": 0.75,
            "miou": (50 / 60 + 30 / 40) / 2,
            "dice_macro": (100 / 110 + 60 / 70) / 2,
            "pixel_accuracy": 80 / 90,
            "recall_macro": (1 + 0.75) / 2,
            "fwiou": (50 * 50 / 60 + 40 * 30 / 40) / 90,
            "boundary_f1_macro": 0.5,
        }
    )
    tables = examples.unet().tables(totals)
    assert tables["confusion"] is matrix
    assert tables["per_class"]["pixels"].tolist() == [50, 40, 0]
    assert math.isnan(tables["per_class"]["iou"][2])


def test_predictions_are_probabilities_and_the_most_probable_class() -> None:
    output = examples.unet().predict_step(examples.batch()["image"])
    probabilities = output["probabilities"].numpy()
    assert (probabilities.shape, probabilities.dtype, output["classes"].dtype) == ((4, 8, 8, 3), np.float32, tf.uint8)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(output["classes"], probabilities.argmax(axis=-1))


def test_the_score_is_the_mean_iou_of_each_image() -> None:
    system, batch = examples.unet(), examples.batch()
    classes = system.predict_step(batch["image"])["classes"].numpy()
    for number, score in enumerate(system.eval_step(batch)[1]["worst"].numpy()):
        truth = batch["mask"][number].numpy()
        counted, ious = truth != 255, []
        for label in range(3):
            t, p = (truth == label) & counted, (classes[number] == label) & counted
            if (t | p).any():
                ious.append((t & p).sum() / (t | p).sum())
        assert score == pytest.approx(np.mean(ious))


@pytest.mark.parametrize("known", [True, False])
def test_a_picture_has_a_panel_for_each_side_and_a_legend(known: bool) -> None:
    system = examples.unet()
    image, mask = np.zeros((20, 130, 3), np.uint8), np.ones((20, 130), np.uint8)
    picture = system.picture(image, {"classes": np.zeros((20, 130), np.uint8)}, {"mask": mask} if known else None)
    panels = 3 if known else 2
    assert picture.width == panels * 130 + (panels - 1) * _picture.GAP_PX
    assert picture.height > 20 + _picture.LINE_PX
    red = (np.asarray(picture) == (255, 0, 0)).all(axis=-1)
    assert red[-_picture.LINE_PX :].any() == known  # the disc's swatch


def test_a_prediction_is_an_indexed_mask_an_overlay_and_shares() -> None:
    found = examples.unet().prediction(np.full((1, 4, 3), 100, np.uint8), {"classes": np.array([[0, 0, 0, 1]], np.uint8)})
    assert found.facts == {"width": 4, "height": 1, "classes": {"ground": 0.75, "disc": 0.25}}
    assert np.asarray(found.pictures["mask"]).tolist() == [[0, 0, 0, 1]]
    assert found.pictures["mask"].getpalette()[:6] == [0, 0, 0, 255, 0, 0]
    assert np.asarray(found.pictures["overlay"])[0].tolist() == [[100] * 3] * 3 + [[185, 45, 45]]  # 0.45 * image + 0.55 * colour


def test_a_picture_shows_no_prediction_where_nothing_is_counted() -> None:
    info = examples.unet().info
    image, predicted, truth = np.zeros((20, 130, 3), np.uint8), np.ones((20, 130), np.uint8), np.zeros((20, 130), np.uint8)
    truth[:, :30] = IGNORE_LABEL
    panel = np.asarray(_picture.side_by_side(image, truth, predicted, info))[_picture.LINE_PX : _picture.LINE_PX + 20, -130:]
    assert len(np.unique(panel[:, :30].reshape(-1, 3), axis=0)) == 1
    assert (np.ptp(panel[:, :30], axis=-1) == 0).all()  # grey
    assert (panel[:, 40:, 0] > panel[:, 40:, 1]).all()  # red


def test_a_device_is_told_the_stride_where_pictures_keep_their_resolution() -> None:
    system = examples.unet()
    assert system.decoding() == {"output": "logits", "activation": "softmax"}
    data = system.recipe.data.model_copy(update={"fit": "crop"})
    system.recipe = system.recipe.model_copy(update={"data": data})
    assert system.decoding()["stride_px"] == 2
