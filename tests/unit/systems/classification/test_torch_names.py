"""Names of published networks: each body against the names and shapes of a whole network of timm or torchvision, and what the shapes tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import numpy as safetensors

from kvision.core.errors import RunError, UsageError
from kvision.engine import pretrained, state
from kvision.systems.classification import _published
from kvision.systems.classification._part import Classifier
from kvision.systems.classification.convnext import ConvNeXt
from kvision.systems.classification.efficientnet import EfficientNet
from kvision.systems.classification.mobilenet import MobileNet
from kvision.systems.classification.resnet import ResNet
from kvision.systems.classification.vit import ViT
from tests.unit.systems.classification import nets

FOLDER = Path(__file__).parent / "torch_names"
BODIES: dict[str, tuple[type[Classifier], dict[str, Any]]] = {
    "tf_efficientnet_lite0": (EfficientNet, {"variant": "lite0"}),
    "resnet18": (ResNet, {}),
    "resnet50": (ResNet, {"depth": 50}),
    "vit_tiny_patch16_224": (ViT, {"width": 192, "heads": 3}),
    "convnext_tiny": (ConvNeXt, {}),
    "mobilenetv2_100": (MobileNet, {"padding": "even"}),
    "mobilenetv3_small_100": (MobileNet, {"version": "v3_small", "padding": "even"}),
}


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    return {tensor: tuple(shape) for tensor, shape in json.loads((FOLDER / f"{name}.json").read_text())["shapes"].items()}


def empty(name: str) -> dict[str, np.ndarray]:
    """Tensors of these shapes that take no memory."""
    return {tensor: np.broadcast_to(np.float32(0), shape) for tensor, shape in shapes(name).items()}


@pytest.mark.parametrize("name", BODIES)
def test_each_tensor_becomes_one_variable_and_no_variable_is_left(name: str, tmp_path: Path) -> None:
    system, options = BODIES[name]
    published = shapes(name)
    safetensors.save_file(
        {tensor: np.full(shape, number, np.float32) for number, (tensor, shape) in enumerate(published.items(), 1)}
        | {"bn1.num_batches_tracked": np.array(7)},
        tmp_path / "model.safetensors",
    )
    made = nets.made(system, 224, 1000, weights="model.safetensors", initializer="zeros", **options)
    given = made.pretrained(tmp_path)
    assert given is not None
    assert pretrained.put(made.networks, given) == []
    values = state.read(state.weights(made.networks))
    numbers = [round(float(value.flat[0])) for value in values.values()]
    assert sorted(numbers) == list(range(1, len(published) + 1))
    for number, (ours, value) in zip(numbers, values.items(), strict=True):
        assert np.ptp(value) == 0, ours
        assert value.size == np.prod(list(published.values())[number - 1]), ours


def test_colours() -> None:
    for name, (mean, std) in {
        "tf_efficientnet_lite0": (127 / 255, 128 / 255),
        "resnet18": (0.485, 0.229),
        "vit_tiny_patch16_224": (0.5, 0.5),
        "convnext_tiny": (0.485, 0.229),
        "mobilenetv2_100": (0.485, 0.229),
    }.items():
        colour = naming(name).colour
        assert (colour[0][0], colour[1][0]) == (mean, std), name


def unbuilt(name: str, size_px: int = 224, **other: Any) -> Classifier:
    """The system without its network."""
    system, options = BODIES[name]
    made: Any = system.__new__(system)
    made.recipe = nets.recipe(system, size_px, **options | other)
    return made


def naming(name: str) -> Any:
    return unbuilt(name).namings()[0]


@pytest.mark.parametrize(
    ("name", "other", "said"),
    [
        ("resnet18", {"depth": 34}, "model.depth=18"),
        ("resnet18", {"stem": "cifar", "activation": "gelu"}, "model.activation=relu model.stem=imagenet"),
        ("resnet18", {"preactivation": True, "width": 2.0}, "model.preactivation=false model.width=1.0"),
        ("resnet50", {"depth": 18, "block": "bottleneck"}, "model.depth=50"),
        ("resnet50", {"stride_in": "1x1", "groups": 32}, "model.stride_in=3x3 model.groups=1"),
        ("vit_tiny_patch16_224", {"heads": 12, "depth": 6, "mlp_ratio": 2.0}, "model.depth=12 model.heads=3 model.mlp_ratio=4.0"),
        ("vit_tiny_patch16_224", {"pool": "mean", "patch_px": 8}, "model.patch_px=16 model.pool=token"),
        ("convnext_tiny", {"stages": (3, 3, 27, 3), "patch_px": 2}, "model.stages=[3,3,9,3] model.patch_px=4"),
        ("mobilenetv2_100", {"padding": "same", "alpha": 0.5}, "model.alpha=1.0 model.padding=even"),
        ("mobilenetv3_small_100", {"version": "v2"}, "model.version=v3_small"),
        ("mobilenetv3_small_100", {"minimalistic": True}, "model.minimalistic=false"),
        ("mobilenetv3_small_100", {"activation": "relu"}, "model.activation=null"),
        ("mobilenetv2_100", {"activation": "relu", "stages": (1, 1)}, "model.activation=relu6"),
        ("tf_efficientnet_lite0", {"variant": "b0"}, "model.variant=lite0 model.activation=relu6"),
        ("tf_efficientnet_lite0", {"variant": "lite1"}, "model.variant=lite0 model.stages=[1,2,2,3,3,4,1]"),
    ],
)
def test_options_that_must_be_others_are_named(name: str, other: dict[str, Any], said: str) -> None:
    system = unbuilt(name, **other)
    with pytest.raises(UsageError) as caught:
        _published.demand(system.recipe, "some.safetensors", system.namings()[0].options(empty(name), ""))
    assert str(caught.value) == f"model.weights: some.safetensors: these were trained with other options; set {said}"


def test_the_size_of_a_vit_is_named() -> None:
    system = unbuilt("vit_tiny_patch16_224", size_px=384)
    with pytest.raises(UsageError, match=r"set data.size_px=224$"):
        _published.demand(system.recipe, "some.safetensors", naming("vit_tiny_patch16_224").options(empty("vit_tiny_patch16_224"), ""))


@pytest.mark.parametrize(
    ("name", "architecture", "padding"),
    [
        ("tf_efficientnet_lite0", "tf_efficientnet_lite0", "same"),
        ("tf_efficientnet_lite0", "efficientnet_lite0", "even"),
        ("mobilenetv3_small_100", "tf_mobilenetv3_small_100", "same"),
        ("mobilenetv2_100", "mobilenetv2_100", "even"),
    ],
)
def test_timms_name_of_the_network_says_how_it_pads(name: str, architecture: str, padding: str) -> None:
    told = naming(name).options(empty(name), architecture)
    assert told["model.padding"] == padding


def test_resnext_and_other_blocks_are_told() -> None:
    tensors = empty("resnet50") | {"layer1.0.conv2.weight": np.zeros((128, 4, 3, 3))}
    told = naming("resnet50").options(tensors, "")
    assert (told["model.groups"], told["model.group_width"]) == (32, 4)
    fewer = {name: value for name, value in empty("resnet18").items() if not name.startswith("layer4.1")}
    assert naming("resnet18").options(fewer, "")["model.stages"] == [2, 2, 2, 1]


def test_a_file_that_is_cut_short_is_told() -> None:
    tensors = empty("vit_tiny_patch16_224")
    del tensors["pos_embed"]
    with pytest.raises(RunError, match="the file has no tensor pos_embed of 3 dimensions, which such a network has"):
        naming("vit_tiny_patch16_224").options(tensors, "")


def test_layers_of_other_options_have_no_name() -> None:
    for name, ours in {
        "resnet18": ("last_norm", "stage0_block0_se_reduce"),
        "vit_tiny_patch16_224": ("block0_mlp_act", "other"),
        "convnext_tiny": ("stage1_other", "stage1_block0_other"),
        "mobilenetv2_100": ("block0_depthwise_act", "features"),
    }.items():
        assert [naming(name).layer(layer) for layer in ours] == [None, None], name
