"""How the layers of a network are made: options that systems with convolutions share, and that `kvision.layers.blocks` obeys. No TensorFlow here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kvision.core.schema import Section

Activation = Literal["relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "hard_silu", "sigmoid", "tanh", "maxout"]
Norm = Literal["batch", "layer", "group", "instance", "none"]
Initializer = Literal[
    "he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal", "lecun_uniform", "orthogonal", "truncated_normal", "zeros"
]


class Style(Section):
    """Normalisation, activation and initial weights; a system subclasses it with its own options, and other defaults where its paper has them."""

    norm: Norm = Field(
        "batch", description="Normalisation after each convolution; `group`: 8 groups, `layer`: over each example, `instance`: over each channel."
    )
    activation: Activation = Field(
        "relu", description="After each normalisation; `silu` is swish, `leaky_relu` has the slope 0.1, `maxout` takes the greater of two halves."
    )
    initializer: Initializer = Field(
        "he_normal", description="Initial kernels; `truncated_normal` has the deviation 0.02, as vision transformers use it."
    )


class TransformerStyle(Section):
    """Activation, initial weights and depth of blocks that add what they learn to tokens; they normalise each token over its channels."""

    activation: Activation = Field("gelu", description="Between the two layers of each block's MLP; `maxout` takes the greater of two halves.")
    initializer: Initializer = Field(
        "truncated_normal", description="Initial kernels; `truncated_normal` has the deviation 0.02, as vision transformers use it."
    )
    mlp_ratio: float = Field(4.0, gt=0.0, le=32.0, description="Units of each block's MLP, as a multiple of its channels.")
    survival: float = Field(
        1.0, gt=0.0, le=1.0, description="Probability that the last block is kept in training; it falls linearly from 1 (stochastic depth)."
    )
