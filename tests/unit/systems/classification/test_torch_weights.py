"""Tensors of PyTorch's packages: axes proven by hand, Lite0's real weights under timm's names, and what is said of files that do not fit."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import sklearn.datasets
from PIL import Image
from safetensors import numpy as safetensors

from kvision.core.errors import RunError, UsageError
from kvision.engine import pretrained, state, torch_file
from kvision.layers.attention import SelfAttention
from kvision.layers.normalization import BatchNormalization, LayerNormalization
from kvision.layers.patches import ClassToken, Positions
from kvision.layers.scale import LayerScale
from kvision.systems.classification import _efficientnet_lite, _torch_weights
from kvision.systems.classification.efficientnet import EfficientNet
from kvision.systems.classification.lenet import LeNet
from kvision.systems.classification.resnet import ResNet
from tests.unit.systems.classification import nets
from tests.unit.systems.classification.test_efficientnet import published
from tests.unit.systems.classification.test_torch_names import shapes

if TYPE_CHECKING:
    from collections.abc import Callable

RANDOM = np.random.default_rng(0)
EPSILON = 1e-3


def random(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def ported(layer: Callable[[Any], Any], shape: tuple[int, ...], theirs: dict[str, np.ndarray]) -> keras.Model:
    """A network of the one layer, with the tensors of a package in it."""
    image = keras.Input(shape)
    net = keras.Model(image, layer(image))
    naming = _torch_weights.Naming("theirs", lambda ours: ours.replace("/", "."), ((0.0,) * 3, (1.0,) * 3), epsilon=EPSILON)
    given = _torch_weights.carried(pretrained.Pretrained(theirs, "file"), net, nets.recipe(LeNet, 28), (naming,))
    assert pretrained.put({"net": net}, given) == []
    return net


def test_a_convolution_by_hand() -> None:
    weight, bias, x = random(5, 3, 2, 3), random(5), random(1, 4, 6, 3)
    net = ported(keras.layers.Conv2D(5, (2, 3), name="conv"), (4, 6, 3), {"conv.weight": weight, "conv.bias": bias})
    right = np.zeros((1, 3, 4, 5))
    for row, column, out in product(range(3), range(4), range(5)):
        seen = x[0, row : row + 2, column : column + 3].transpose(2, 0, 1)
        right[0, row, column, out] = (weight[out] * seen).sum() + bias[out]
    np.testing.assert_allclose(net(x), right, rtol=1e-5, atol=1e-5)


def test_a_grouped_and_a_depthwise_convolution_by_hand() -> None:
    weight, x = random(6, 2, 3, 3), random(1, 3, 3, 4)
    net = ported(keras.layers.Conv2D(6, 3, groups=2, use_bias=False, name="conv"), (3, 3, 4), {"conv.weight": weight})
    right = [(weight[out] * x[0, :, :, 2 * (out // 3) : 2 * (out // 3) + 2].transpose(2, 0, 1)).sum() for out in range(6)]
    np.testing.assert_allclose(net(x)[0, 0, 0], right, rtol=1e-5, atol=1e-5)
    single = random(4, 1, 2, 3)
    net = ported(keras.layers.DepthwiseConv2D((2, 3), use_bias=False, name="dw"), (2, 3, 4), {"dw.weight": single})
    x = x[:, :2]
    np.testing.assert_allclose(net(x)[0, 0, 0], [(single[c, 0] * x[0, :, :, c]).sum() for c in range(4)], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tail", [(), (1, 1)])
def test_a_linear_layer_and_a_1x1_convolution_of_a_vector_by_hand(tail: tuple[int, ...]) -> None:
    weight, bias, x = random(4, 3), random(4), random(2, 3)
    net = ported(keras.layers.Dense(4, name="fc"), (3,), {"fc.weight": weight.reshape(4, 3, *tail), "fc.bias": bias})
    right = [[sum(weight[out, into] * row[into] for into in range(3)) + bias[out] for out in range(4)] for row in x]
    np.testing.assert_allclose(net(x), right, rtol=1e-5, atol=1e-6)


def test_normalisations_by_hand() -> None:
    weight, bias, mean, variance, x = random(3), random(3), random(3), np.array([0.5, 1e-4, 2.0], np.float32), random(2, 2, 2, 3)
    theirs = {"bn.weight": weight, "bn.bias": bias, "bn.running_mean": mean, "bn.running_var": variance, "bn.num_batches_tracked": np.array(3)}
    net = ported(BatchNormalization(epsilon=1e-5, name="bn"), (2, 2, 3), theirs)
    np.testing.assert_allclose(net(x), (x - mean) / np.sqrt(variance + EPSILON) * weight + bias, rtol=1e-4, atol=1e-5)
    net = ported(LayerNormalization(epsilon=1e-6, name="ln"), (2, 2, 3), {"ln.weight": weight, "ln.bias": bias})
    right = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * weight + bias
    np.testing.assert_allclose(net(x), right, rtol=1e-4, atol=1e-5)


def test_attention_by_hand() -> None:
    heads, each, x = 2, 3, random(1, 4, 6)
    theirs = {"at.qkv.weight": random(18, 6), "at.qkv.bias": random(18), "at.out.weight": random(6, 6), "at.out.bias": random(6)}
    net = ported(SelfAttention(heads, name="at"), (4, 6), theirs)
    # As timm computes it: `qkv(x).reshape(B, N, 3, heads, each).permute(2, 0, 3, 1, 4)`.
    queries, keys, values = (x[0] @ theirs["at.qkv.weight"].T + theirs["at.qkv.bias"]).reshape(4, 3, heads, each).transpose(1, 2, 0, 3)
    found = np.zeros((4, heads, each))
    for head, token in product(range(heads), range(4)):
        share = np.exp([queries[head, token] @ keys[head, other] / np.sqrt(each) for other in range(4)])
        found[token, head] = (share / share.sum()) @ values[head]
    right = found.reshape(4, 6) @ theirs["at.out.weight"].T + theirs["at.out.bias"]
    np.testing.assert_allclose(net(x)[0], right, rtol=1e-4, atol=1e-5)


def test_tokens_positions_and_factors() -> None:
    x, token, positions, gamma = random(2, 3, 4), random(1, 1, 4), random(1, 3, 4), random(4)
    np.testing.assert_array_equal(ported(ClassToken(name="cls"), (3, 4), {"cls": token})(x)[1, 0], token[0, 0])
    net = ported(Positions("learned", (1, 3), name="pos"), (3, 4), {"pos": positions})
    np.testing.assert_allclose(net(x), x + positions, rtol=1e-6)
    np.testing.assert_allclose(ported(LayerScale(1.0, name="g"), (3, 4), {"g": gamma})(x), x * gamma, rtol=1e-6)


PLACES = [(stage, place) for stage, count in enumerate((1, 2, 2, 3, 3, 4, 1)) for place in range(count)]


def timms(name: str) -> str:
    """The package's name of a tensor -> timm's, written down once more, by hand."""
    found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if found is None:
        layer, kind = name.rsplit(".", 1)
        return {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}[layer] + f".{kind}"
    stage, place = PLACES[int(found[1])]
    parts = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3"}
    if stage == 0:
        parts = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    return f"blocks.{stage}.{place}.{parts[found[2]]}.{found[3]}"


def photos() -> np.ndarray:
    """scikit-learn's two photos, each whole, its quarters and its middle, `[12, 224, 224, 3]`, as Lite0 takes them."""
    folder, made = Path(sklearn.datasets.__file__).parent / "images", []
    for name in ("china.jpg", "flower.jpg"):
        photo = Image.open(folder / name).convert("RGB")
        w, h = photo.size
        boxes = [(0, 0, w, h), *((x, y, x + w // 2, y + h // 2) for y in (0, h // 2) for x in (0, w // 2)), (w // 4, h // 4, 3 * w // 4, 3 * h // 4)]
        made += [np.asarray(photo.resize((224, 224), Image.Resampling.BILINEAR, box=box), np.float32) for box in boxes]
    return (np.stack(made) - 127) / 128


ORIGINAL_CLASSES = [442, 698, 975, 663, 437, 698, 985, 117, 112, 599, 985, 985]
ORIGINAL_LOGITS = [8.3032, 6.9009, 5.2690, 7.3602, 6.4625, 7.2512, 6.2905, 6.5794, 6.3311, 5.7601, 5.7580, 6.2612]


@published
def test_lite0_under_timms_names_says_of_real_photos_what_the_original_says(tmp_path: Path) -> None:
    theirs = {
        timms(name): np.ascontiguousarray(value)
        for name, value in torch_file.read(_efficientnet_lite.file()).items()
        if not name.endswith("num_batches_tracked")
    }
    assert {name: value.shape for name, value in theirs.items()} == shapes("tf_efficientnet_lite0")
    safetensors.save_file(theirs, tmp_path / "lite0.safetensors")
    system = nets.made(EfficientNet, 224, 1000, variant="lite0", weights="lite0.safetensors")
    given = system.pretrained(tmp_path)
    assert given is not None
    assert pretrained.put(system.networks, given) == []
    assert given.colour == _efficientnet_lite.COLOUR
    system.recipe = nets.recipe(EfficientNet, 224, variant="lite0", weights=str(_efficientnet_lite.file()))
    for name, value in system.pretrained(tmp_path).values.items():  # type: ignore[union-attr]  # the package's own file, by its own names
        np.testing.assert_array_equal(value, given.values[name])
    logits = np.asarray(system.net(photos()))
    # What benchmarks/imagenet_pictures_torch.py, the network in PyTorch that the weights were published for, says of the same photos.
    assert logits.argmax(axis=1).tolist() == ORIGINAL_CLASSES
    np.testing.assert_allclose(logits.max(axis=1), ORIGINAL_LOGITS, atol=2e-3)


def test_a_file_of_our_own_names_is_read_as_it_is(tmp_path: Path) -> None:
    made = nets.made(ResNet, 32, depth=8, weights="own.safetensors")
    values = {name: random(*value.shape) for name, value in state.read(state.weights(made.networks)).items()}
    safetensors.save_file(values, tmp_path / "own.safetensors")
    given = made.pretrained(tmp_path)
    assert given is not None
    assert pretrained.put(made.networks, given) == []
    for name, value in state.read(state.weights(made.networks)).items():
        np.testing.assert_array_equal(value, values[name])


def resnet(tmp_path: Path, tensors: dict[str, np.ndarray], config: str | None = None) -> Any:
    """What a narrow ResNet of four blocks makes of a file of tensors."""
    safetensors.save_file(tensors, tmp_path / "model.safetensors")
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    made = nets.made(ResNet, 32, depth=18, stages=(1, 1, 1, 1), width=0.125, stem="imagenet", weights="model.safetensors")
    return made.pretrained(tmp_path)


def narrow() -> dict[str, np.ndarray]:
    """ResNet-18's tensors, with one narrow block a stage."""
    tensors = {}
    for name, shape in shapes("resnet18").items():
        if not re.match(r"layer\d\.1", name):
            first = name == "conv1.weight" or name.startswith("bn1")
            narrower = [size if first or axis > 1 else size if size == 1000 else size // 8 for axis, size in enumerate(shape)]
            tensors[name] = np.zeros(narrower, np.float32)
    tensors["layer1.0.conv1.weight"] = np.zeros((8, 64, 3, 3), np.float32)
    return (
        tensors
        | {"layer1.0.downsample.0.weight": np.zeros((8, 64, 1, 1), np.float32)}
        | {f"layer1.0.downsample.1.{kind}": np.zeros(8, np.float32) for kind in ("weight", "bias", "running_mean", "running_var")}
    )


def test_timms_config_tells_the_colours(tmp_path: Path) -> None:
    assert resnet(tmp_path, narrow()).colour[0] == (0.485, 0.456, 0.406)
    told = {"architecture": "resnet18", "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}}
    assert resnet(tmp_path, narrow(), json.dumps(told)).colour == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    with pytest.raises(RunError, match=r"config.json, which tells the colours of the weights beside it, can't be read: .*line 1 column 2"):
        resnet(tmp_path, narrow(), "{")


def test_tensors_without_a_place_are_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"model.safetensors has 1 tensor that this network has no place for: layer1.0.se.fc1.weight; take out"):
        resnet(tmp_path, narrow() | {"layer1.0.se.fc1.weight": random(2, 2)})


def test_a_head_of_another_kind_begins_as_it_is(tmp_path: Path) -> None:
    safetensors.save_file(narrow(), tmp_path / "model.safetensors")
    options = {"stages": (1, 1, 1, 1), "width": 0.125, "stem": "imagenet", "transfer": "knn", "knn_examples": 7}
    made = nets.made(ResNet, 32, depth=18, weights="model.safetensors", **options)
    left = pretrained.put(made.networks, made.pretrained(tmp_path))
    assert left == [f"net/logits/{name}" for name in ("examples", "offsets", "labels", "k")]


def test_a_missing_tensor_and_another_shape_are_told(tmp_path: Path) -> None:
    tensors = narrow()
    del tensors["layer2.0.bn1.weight"]
    tensors["layer3.0.conv1.weight"] = random(5, 4, 3, 3)
    made = nets.made(ResNet, 32, depth=18, stages=(1, 1, 1, 1), width=0.125, stem="imagenet")
    with pytest.raises(
        RunError, match=r"net/stage1_block0_a_norm/gamma \[16\] \(not there\), net/stage2_block0_a_conv/kernel \[3, 3, 16, 32\] \(there"
    ):
        pretrained.put(made.networks, resnet(tmp_path, tensors))


def test_other_names_are_told_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"holds features.0.weight; the names known for classification/any are this network's own \(net/stem_conv/kernel"
    ):
        resnet(tmp_path, {"features.0.weight": random(4, 3, 3, 3)})
    safetensors.save_file({"x": random(1)}, tmp_path / "x.safetensors")
    with pytest.raises(UsageError, match=r"are this network's own \(net/conv1_conv/kernel ...\)$"):
        nets.made(LeNet, 28, weights="x.safetensors").pretrained(tmp_path)
