"""How torchvision and timm name the layers of networks that we have, and from which shapes their options can be read.

Sources: torchvision 0.28 (models.resnet, BSD), timm 1.0 (models.resnet, vision_transformer, convnext, efficientnet, mobilenetv3, Apache-2.0).
`tests/unit/systems/classification/torch_names/` has the names and shapes of whole networks.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING, Any

from kvision.core.errors import RunError
from kvision.systems.classification._published import COLOURS
from kvision.systems.classification._torch_weights import Naming

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import numpy as np

    from kvision.engine.pretrained import Colour

    Tensors = Mapping[str, np.ndarray]

TENSORFLOW = "tf_"
"""How timm's names begin of networks that were trained in TensorFlow: their strided convolutions pad unevenly, and epsilon is another one."""
TENSORFLOW_EPSILON = 1e-3
_HEAD_CHANNELS = 64


def resnet(depths: Mapping[int, Sequence[int]]) -> Naming:
    """ResNet and ResNeXt of torchvision, and of timm where it has the same layers; `depths`: blocks of each stage by depth."""
    ends = {"stem_conv": "conv1", "stem_norm": "bn1", "logits": "fc"}
    parts = {f"{place}_{kind}": f"{name}{number}" for number, place in enumerate("abc", 1) for kind, name in (("conv", "conv"), ("norm", "bn"))}
    parts |= {"skip_conv": "downsample.0", "skip_norm": "downsample.1"}

    def layer(ours: str) -> str | None:
        found = re.fullmatch(r"stage(\d+)_block(\d+)_(\w+)", ours)
        if found is None:
            return ends.get(ours)
        return f"layer{int(found[1]) + 1}.{found[2]}.{parts[found[3]]}" if found[3] in parts else None

    def options(tensors: Tensors, architecture: str) -> dict[str, Any]:
        del architecture
        stages, bottleneck = _counts(tensors, r"layer(\d+)\.(\d+)\."), "layer1.0.conv3.weight" in tensors
        depth = next((depth for depth, each in depths.items() if list(each) == stages and (depth >= 50) == bottleneck), None)
        told: dict[str, Any] = {"stages": stages} if depth is None else {"depth": depth}
        told |= {"preactivation": False, "bias": False, "skips": True, "squeeze_excite": 0, "norm": "batch", "activation": "relu"}
        told |= {"stem": "imagenet"} if _shape(tensors, "conv1.weight")[2:] == (7, 7) else {}
        if bottleneck:
            inner, width, *_ = _shape(tensors, "layer1.0.conv2.weight")
            told |= {"stride_in": "3x3", "stride_at": "first", "groups": inner // width}
            told |= {"group_width": width} if inner > width else {}
        first = _shape(tensors, f"layer1.0.conv{3 if bottleneck else 2}.weight")[0]
        return _model(told | {"width": first / (256 if bottleneck else 64)})

    return Naming("torchvision's and timm's ResNet (conv1, layer1.0.conv1 ...)", layer, COLOURS["torch"], options)


def vit() -> Naming:
    """ViT of timm, and DeiT without its token of distillation; the colours are ViT's, DeiT's stand in its `config.json`."""
    ends = {"class_token": "cls_token", "positions": "pos_embed", "patches": "patch_embed.proj", "last_norm": "norm", "logits": "head"}
    parts = {"norm1": "norm1", "norm2": "norm2", "attention/qkv": "attn.qkv", "attention/out": "attn.proj"}
    parts |= {"mlp_wide": "mlp.fc1", "mlp_narrow": "mlp.fc2"}

    def layer(ours: str) -> str | None:
        found = re.fullmatch(r"block(\d+)_([\w/]+)", ours)
        if found is None:
            return ends.get(ours)
        return f"blocks.{found[1]}.{parts[found[2]]}" if found[2] in parts else None

    def options(tensors: Tensors, architecture: str) -> dict[str, Any]:
        del architecture
        width, _, patch_px, _ = _shape(tensors, "patch_embed.proj.weight")
        cells = _shape(tensors, "pos_embed", 3)[1] - 1
        told: dict[str, Any] = {
            "width": width,
            "depth": len(_counts(tensors, r"blocks\.(\d+)\.()")),
            "heads": width // _HEAD_CHANNELS,
            "patch_px": patch_px,
        }
        told |= {"mlp_ratio": _shape(tensors, "blocks.0.mlp.fc1.weight", 2)[0] / width, "activation": "gelu", "pool": "token", "positions": "learned"}
        return _model(told) | {"data.size_px": patch_px * math.isqrt(cells)}

    return Naming("timm's ViT (cls_token, blocks.0.attn.qkv ...)", layer, COLOURS["tf"], options)


def convnext() -> Naming:
    """ConvNeXt of timm."""
    ends = {"stem_conv": "stem.0", "stem_norm": "stem.1", "last_norm": "head.norm", "logits": "head.fc"}
    parts = {"depthwise": "conv_dw", "norm": "norm", "mlp_wide": "mlp.fc1", "mlp_narrow": "mlp.fc2", "scale": "gamma"}
    halved = {"norm": "downsample.0", "conv": "downsample.1"}

    def layer(ours: str) -> str | None:
        found = re.fullmatch(r"stage(\d+)_(?:block(\d+)_)?(\w+)", ours)
        if found is None:
            return ends.get(ours)
        stage, place, ours = found.groups()
        part = halved.get(ours) if place is None else parts.get(ours)
        return f"stages.{stage}.{part if place is None else f'blocks.{place}.{part}'}" if part else None

    def options(tensors: Tensors, architecture: str) -> dict[str, Any]:
        del architecture
        stages = _counts(tensors, r"stages\.(\d+)\.blocks\.(\d+)\.")
        first = [_shape(tensors, f"stages.{stage}.blocks.0.conv_dw.weight") for stage in range(len(stages))]
        told = {"stages": stages, "widths": [shape[0] for shape in first], "kernel": first[0][-1], "activation": "gelu"}
        return _model(told | {"patch_px": _shape(tensors, "stem.0.weight")[-1]})

    return Naming("timm's ConvNeXt (stem.0, stages.0.blocks.0.conv_dw ...)", layer, COLOURS["torch"], options)


def inverted(
    counts: Sequence[int],
    padding: str,
    colours: tuple[Colour, Colour],
    options: Callable[[Tensors], dict[str, Any]],
    *,
    features: bool = False,
    tensorflow: bool | None = None,
) -> Naming:
    """EfficientNet, and MobileNet v2 and v3, of timm, which builds them all of the same blocks.

    Args:
        counts: Blocks of each stage of our network.
        padding: Our option, which says whether the network came from TensorFlow where nothing else does.
        colours: What the pictures of such networks were normalised with.
        options: What the tensors tell.
        features: Whether a layer of features follows the mean, as in MobileNet v3.
        tensorflow: Whether such networks come from TensorFlow; none: some do.

    Returns:
        The names.
    """
    places = [(stage, place) for stage, count in enumerate(counts) for place in range(count)]
    separable = {"depthwise_conv": "conv_dw", "depthwise_norm": "bn1", "project_conv": "conv_pw", "project_norm": "bn2"}
    whole = {"expand_conv": "conv_pw", "expand_norm": "bn1", "depthwise_conv": "conv_dw", "depthwise_norm": "bn2"}
    whole |= {"project_conv": "conv_pwl", "project_norm": "bn3"}
    squeeze = {"se_reduce": "se.conv_reduce", "se_expand": "se.conv_expand"}
    last = {"last_conv": f"blocks.{len(counts)}.0.conv", "last_norm": f"blocks.{len(counts)}.0.bn1", "features": "conv_head"}
    ends = {"stem_conv": "conv_stem", "stem_norm": "bn1", "logits": "classifier"}
    ends |= last if features else {"last_conv": "conv_head", "last_norm": "bn2"}

    def layer(ours: str) -> str | None:
        found = re.fullmatch(r"(?:stage(\d+)_)?block(\d+)_(\w+)", ours)
        if found is None:
            return ends.get(ours)
        stage, place = places[int(found[2])] if found[1] is None else (int(found[1]), int(found[2]))
        part = (squeeze | (whole if stage else separable)).get(found[3])
        return f"blocks.{stage}.{place}.{part}" if part else None

    def told(tensors: Tensors, architecture: str) -> dict[str, Any]:
        came = architecture.startswith(TENSORFLOW) if architecture else padding == "same" if tensorflow is None else tensorflow
        return _model(options(tensors) | {"norm": "batch", "padding": "same" if came else "even"})

    epsilon = TENSORFLOW_EPSILON if padding == "same" else 1e-5
    return Naming("timm's (conv_stem, blocks.0.0.conv_dw ...)", layer, colours, told, epsilon)


def blocks(tensors: Collection[str]) -> list[int]:
    """How many blocks each stage of a network of timm's inverted bottlenecks has."""
    return _counts(tensors, r"blocks\.(\d+)\.(\d+)\.conv_dw\.")


def filters(tensors: Tensors, layer: str) -> int:
    """What a convolution gives."""
    return _shape(tensors, f"{layer}.weight")[0]


def _counts(tensors: Collection[str], pattern: str) -> list[int]:
    """How many blocks there are in each stage, the two groups of the pattern."""
    found = sorted({(int(match[1]), match[2]) for match in (re.match(pattern, name) for name in tensors) if match})
    return [len(list(each)) for _, each in itertools.groupby(found, key=lambda place: place[0])]


def _model(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `model`, as `_published.demand` names them."""
    return {f"model.{name}": value for name, value in options.items()}


def _shape(tensors: Tensors, name: str, rank: int = 4) -> tuple[int, ...]:
    """The shape of a tensor that there must be."""
    if name not in tensors or tensors[name].ndim != rank:
        raise RunError(f"model.weights: the file has no tensor {name} of {rank} dimensions, which such a network has; is it whole?")
    return tensors[name].shape
