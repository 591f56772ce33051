"""The typed recipe: what each section may hold, its defaults and its units. No TensorFlow here.

A system adds its own `model:` and `loss:` sections (`System.Options`, `System.Loss`), a source its own `data:` section
(`Source.Options`, a subclass of `SourceOptions`); `kvision.core.narrow` puts the three together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from kvision.core import checks

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0, le=1e9, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0.0, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10**9)]


if TYPE_CHECKING:
    Batch: TypeAlias = int
else:
    Batch = Annotated[int, Field(ge=1, le=65536)] | Literal["auto"]
"""A batch size. `auto` stands open until a session is opened, before anything counts with it; so that for all code it is a number."""


DEFAULT_MOMENTUM = {"sgd": 0.9, "rmsprop": 0.0}
"""Momentum of the optimizers that have the option."""
HAVE_EPSILON = ["rmsprop", "adam", "adamw", "adamax", "nadam", "adagrad", "adadelta", "lamb"]
"""Optimizers whose divisors are kept from 0 by an epsilon."""
DEFAULT_DECAY = {"adamw": 0.004, "muon": 0.004}
"""Weight decay that Keras' own optimizers have by default; the others have none."""


@dataclass(frozen=True)
class Chosen:
    """What kvision chooses for an option that the recipe leaves open (null or `auto`).

    Attributes:
        why: How it is chosen, or, while the value is not known, when and from what it will be.
        value: Plain data; None while it is not known.
    """

    why: str
    value: Any = None


class Section(BaseModel):
    """One section of a recipe: immutable, no key that it does not know, no NaN and no infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    def chosen(self) -> dict[str, Chosen]:
        """The options that stand open here and are chosen by kvision; a null that means `off` is none of them. No TensorFlow."""
        return {}

    def used(self, option: str) -> Any:
        """The value of an option, or what this section alone chooses for it where it stands open."""
        choice = self.chosen().get(option)
        return getattr(self, option) if choice is None else choice.value


class AugmentOptions(Section):
    """Joint augmentation of image, masks and boxes; every transform has the probability that it is applied."""

    flip_x: Probability = Field(0.0, description="Probability of a left-right flip.")
    flip_y: Probability = Field(0.0, description="Probability of an up-down flip.")
    rotate: Probability = Field(0.0, description="Probability of a rotation within +-rotate_deg.")
    rotate_deg: float = Field(15.0, ge=0.0, le=180.0, description="Largest rotation, degrees.")
    scale: Probability = Field(0.0, description="Probability of a zoom within scale_range, around a random centre (scale-crop).")
    scale_range: tuple[Positive, Positive] = Field((0.8, 1.25), description="Smallest and largest zoom factor.")
    shear: Probability = Field(0.0, description="Probability of a shear within +-shear_deg.")
    shear_deg: float = Field(10.0, ge=0.0, le=60.0, description="Largest shear, degrees.")
    elastic: Probability = Field(0.0, description="Probability of an elastic distortion (Simard 2003).")
    elastic_px: NonNegative = Field(4.0, description="Largest displacement of the elastic distortion, pixels.")
    lens: Probability = Field(0.0, description="Probability of a radial lens distortion within +-lens_strength.")
    lens_strength: float = Field(
        0.15, ge=0.0, le=0.5, description="Largest |k| of the division model, r = 1 at the corners: k < 0 bulges, k > 0 shrinks the middle."
    )
    colour: Probability = Field(0.0, description="Probability of a change of brightness, contrast, saturation and hue.")
    brightness: float = Field(0.2, ge=0.0, le=1.0, description="Largest additive change, as a fraction of full range.")
    contrast: float = Field(0.2, ge=0.0, le=1.0, description="Largest relative change of contrast.")
    saturation: float = Field(0.2, ge=0.0, le=1.0, description="Largest relative change of saturation.")
    hue: float = Field(0.05, ge=0.0, le=0.5, description="Largest change of hue, as a fraction of the circle.")
    blur: Probability = Field(0.0, description="Probability of a Gaussian blur.")
    blur_px: NonNegative = Field(1.5, description="Largest standard deviation of the blur, pixels.")
    noise: Probability = Field(0.0, description="Probability of additive Gaussian noise.")
    noise_std: float = Field(0.05, ge=0.0, le=1.0, description="Largest standard deviation of the noise, fraction of full range.")
    cutout: Probability = Field(0.0, description="Probability that one square is erased (DeVries 2017).")
    cutout_size: float = Field(0.25, gt=0.0, le=1.0, description="Side of the erased square, as a fraction of the image's side.")
    translate: Probability = Field(0.0, description="Probability that the picture is moved by whole pixels (pad-and-crop).")
    translate_share: float = Field(0.125, ge=0.0, le=0.5, description="Largest move down or across, as a fraction of the side.")
    resized_crop: Probability = Field(
        0.0, description="Probability that a random part of the picture as it is stored fills the square (Szegedy 2015, random-resized crop)."
    )
    crop_area: tuple[Positive, Positive] = Field((0.25, 1.0), description="Smallest and largest area of the part, as a fraction; for ImageNet 0.08.")
    crop_aspect: tuple[Positive, Positive] = Field((0.75, 4 / 3), description="Smallest and largest ratio of the part's width to its height.")
    randaugment: Probability = Field(0.0, description="Probability of randaugment_count operations out of fourteen (Cubuk 2020).")
    randaugment_count: int = Field(2, ge=1, le=10, description="How many operations are drawn.")
    randaugment_magnitude: float = Field(9.0, ge=0.0, le=10.0, description="How strong all operations are, of 10.")
    mixup: Probability = Field(0.0, description="Probability that a picture is blended with another one (Zhang 2018); for classification.")
    mixup_alpha: Positive = Field(0.2, description="Both parameters of the Beta distribution that the blend's share is drawn from.")
    cutmix: Probability = Field(0.0, description="Probability that a box of another picture is pasted in (Yun 2019); for classification.")
    cutmix_alpha: Positive = Field(1.0, description="Both parameters of the Beta distribution that the share of the picture itself is drawn from.")

    @field_validator("crop_area", "crop_aspect")
    @classmethod
    def _goes_from_small_to_large(cls, value: tuple[float, float], info: ValidationInfo) -> tuple[float, float]:
        most = 1.0 if info.field_name == "crop_area" else 1e9
        if not value[0] <= value[1] <= most:
            raise ValueError(f"got {value}; the smallest comes first" + (", and the largest is at most 1" if most == 1.0 else ""))
        return value

    @field_validator("cutmix")
    @classmethod
    def _at_most_one_is_drawn(cls, value: float, info: ValidationInfo) -> float:
        mixup = info.data.get("mixup", 0.0)
        if value + mixup > 1.0:
            raise ValueError(f"got {value} beside mixup={mixup}; a picture is mixed in one way only, so use at most {1.0 - mixup:g}")
        return value


class SourceOptions(Section):
    """What every source has in common; one without pictures subclasses it with its own keys."""

    source: str = Field(description="Where the examples come from: `scenes`, `image_masks` ...; see `kvision list`.")
    batch: Batch = Field(
        16,
        description="Global batch size: examples a step, over all devices; `auto`: as many as fit into memory, found by trying when training starts.",
    )
    cache: Literal["auto", "ram", "none"] = Field("auto", description="Keep decoded examples in memory; `auto`: when they fit in a quarter of it.")
    on_error: Literal["stop", "skip"] = Field(
        "stop", description="What to do with a file that can't be read: stop and name it, or leave it out and count it."
    )

    @property
    def batch_is_open(self) -> bool:
        """Whether nothing was found yet for `batch: auto`."""
        return isinstance(self.batch, str)

    @property
    def val_batch(self) -> int:
        """Examples of a step where they are not trained on."""
        return self.batch

    def chosen(self) -> dict[str, Chosen]:
        """`batch` and `cache`: by the memory that is free."""
        open_options = {
            "batch": "found by trying when training starts: what fits into memory, and is not just slower learning",
            "cache": "chosen when training starts; ram if the examples fit in a quarter of the free memory, else none",
        }
        return {name: Chosen(why) for name, why in open_options.items() if getattr(self, name) == "auto"}


class DataOptions(SourceOptions):
    """What every source of pictures has in common; a source subclasses it with its own keys."""

    size_px: int = Field(128, ge=8, le=8192, description="Side of the square that the network is trained on, pixels.")
    fit: Literal["resize", "crop"] = Field(
        "resize",
        description="`resize`: scale the whole image into the square, keeping its aspect, and pad; "
        "`crop`: keep the image's own resolution, train on random crops and predict whole images.",
    )
    balance: bool = Field(
        False, description="Show every class equally often in training, rare ones more than once an epoch; for pictures of one class each."
    )
    augment: AugmentOptions = Field(default_factory=AugmentOptions, description="Random changes of training examples.")

    def chosen(self) -> dict[str, Chosen]:
        """`cache`: by the memory that is free, but never for pictures that keep their own size."""
        if self.cache == "auto" and self.fit == "crop":
            return {**super().chosen(), "cache": Chosen("fit: crop keeps each picture's own size", "none")}
        return super().chosen()


class GroupOptions(Section):
    """Variables whose path matches a regular expression, with their own rate and decay."""

    match: str = Field(description="Regular expression, searched in the variable's path, e.g. `encoder/.*` or `(bias|gamma|beta)$`.")
    lr_scale: NonNegative = Field(1.0, description="Factor on the learning rate; 0 freezes the group.")
    weight_decay: NonNegative | None = Field(None, description="Weight decay of the group; none: as `optim.weight_decay`.")
    frozen_until: Probability = Field(0.0, description="Fraction of the run during which the group does not change yet (freeze, then unfreeze).")

    @field_validator("match")
    @classmethod
    def _is_a_pattern(cls, match: str) -> str:
        try:
            re.compile(match)
        except re.error as error:
            raise ValueError(f"got {match!r}, which is no regular expression ({error}); 'encoder/.*' is one, for example") from error
        return match


class OptimOptions(Section):
    """Optimizer, schedule and what is done to gradients and weights."""

    name: Literal["sgd", "rmsprop", "adam", "adamw", "adamax", "nadam", "adagrad", "adadelta", "adafactor", "ftrl", "lion", "lamb", "muon"] = Field(
        "adamw", description="A Keras optimizer."
    )
    lr: Positive = Field(1e-3, description="Peak learning rate, for `lr_batch` examples a step when `scale_lr` is on.")
    momentum: float | None = Field(None, ge=0.0, lt=1.0, description="Momentum of sgd and rmsprop; none: 0.9 for sgd, 0 for rmsprop.")
    epsilon: Positive | None = Field(
        None, description="What keeps the divisors of the adaptive optimizers from 0; none: Keras' default, 1e-7 for adam."
    )
    nesterov: bool = Field(False, description="Nesterov momentum, for sgd.")
    weight_decay: NonNegative | None = Field(
        None,
        description="Decoupled weight decay of kernels; none: Keras' default (adamw and muon 0.004, others 0). "
        "Biases and normalisation parameters (rank 0 and 1) decay only where a group says so.",
    )
    schedule: Literal["constant", "step", "exponential", "cosine", "cosine_restarts", "linear", "inverse_sqrt", "inverse_time", "plateau"] = Field(
        "cosine", description="How the learning rate goes on after the warm-up."
    )
    warmup_steps: int = Field(0, ge=0, le=10**9, description="Steps of linear warm-up from 0 to `lr`.")
    final_lr_scale: NonNegative = Field(0.0, description="Learning rate at the end, as a fraction of `lr` (cosine, each cycle's, linear).")
    cycles: int = Field(
        5, ge=1, le=10_000, description="`cosine_restarts`: how often the rate begins anew; the end of each cycle is kept (snapshots)."
    )
    step_at: tuple[Probability, ...] = Field((0.5, 0.75), description="Fractions of the run at which `step` multiplies by `decay`.")
    decay: float = Field(0.1, gt=0.0, le=1.0, description="Factor of `step` and `plateau`; of `exponential` and `inverse_time` over the whole run.")
    patience_epochs: Count = Field(3, description="`plateau`: epochs without improvement before the rate is multiplied by `decay`.")
    scale_lr: bool = Field(False, description="Linear scaling rule (Goyal 2017): multiply `lr` by batch / lr_batch.")
    lr_batch: Count = Field(256, description="The batch that `lr` was chosen for, when `scale_lr` is on.")
    clip_norm: Positive | None = Field(None, description="Global-norm clipping of the gradients; none: no clipping.")
    ema: float | None = Field(None, gt=0.0, lt=1.0, description="Decay of an exponential moving average of the weights; none: no average.")
    swa_from: float | None = Field(
        None, ge=0.0, lt=1.0, description="Fraction of the run from which on the weights are averaged equally (SWA); none: no such average."
    )
    accumulate: Count = Field(1, description="Micro-batches that each global batch is computed in; the mathematics stays that of the whole batch.")
    recompute: bool = Field(
        False,
        description="Compute activations again for the gradients instead of keeping them (Chen 2016): the same result in less memory and more time.",
    )
    groups: tuple[GroupOptions, ...] = Field((), description="Parameter groups; the first match wins.")

    @property
    def averages(self) -> bool:
        """Whether an average of the weights is kept, and evaluated in their place."""
        return self.ema is not None or self.swa_from is not None

    @field_validator("swa_from")
    @classmethod
    def _one_average_at_most(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("ema") is not None:
            raise ValueError(f"got {value} beside ema={info.data['ema']}; there is one average of the weights, so take out one of the two")
        return value

    @field_validator("momentum", "nesterov", "epsilon")
    @classmethod
    def _has_an_effect(cls, value: float | bool | None, info: ValidationInfo) -> float | bool | None:
        users = {"momentum": list(DEFAULT_MOMENTUM), "nesterov": ["sgd"], "epsilon": HAVE_EPSILON}[str(info.field_name)]
        name = info.data.get("name")
        if value and name is not None and name not in users:
            raise ValueError(f"got {value}, which has no effect on name={name}; take it out, or use name={' or '.join(users)}")
        return value

    def chosen(self) -> dict[str, Chosen]:
        """`momentum` and `weight_decay`: by the optimizer."""
        found = {}
        if self.momentum is None and self.name in DEFAULT_MOMENTUM:
            found["momentum"] = Chosen(f"the default of {self.name}", DEFAULT_MOMENTUM[self.name])
        if self.weight_decay is None:
            found["weight_decay"] = Chosen(f"Keras' default of {self.name}", DEFAULT_DECAY.get(self.name, 0.0))
        return found


class TrainOptions(Section):
    """How long, from which seed, and how often things are written."""

    epochs: Count = Field(10, description="Passes over the training examples.")
    steps: Count | None = Field(None, description="End after this many steps, if that is sooner than `epochs`.")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of weights, order and augmentation.")
    steps_per_call: Count | None = Field(None, description="Steps in one graph call; none: chosen from the time of a step.")
    checkpoint_every_steps: Count | None = Field(None, description="Steps between checkpoints; none: at each epoch's end and about every 60 s.")
    keep_every_epochs: Count | None = Field(None, description="Keep each k-th epoch's checkpoint for good, beside best and last.")
    early_stop_epochs: Count | None = Field(None, description="Stop after this many epochs without improvement; none: never.")
    batch_norm: Literal["synchronized", "per_replica"] = Field(
        "synchronized",
        description="Over what batch normalisation takes its statistics: the global batch, or each replica's part, whose curves then depend on them.",
    )

    def chosen(self) -> dict[str, Chosen]:
        """`steps`: as the data has them; how often a call ends and a checkpoint is written: by the clock."""
        open_options = {
            "steps": f"epochs={self.epochs}, counted from the data when training starts",
            "steps_per_call": "chosen while training, from the time of a step",
            "checkpoint_every_steps": "chosen while training: at each epoch's end and about every 60 s",
        }
        return {name: Chosen(why) for name, why in open_options.items() if getattr(self, name) is None}


class Expect(Section):
    """The result that the recipe promises, and how it is known."""

    metric: str = Field(description="A column of metrics.csv, such as `val/miou`.")
    at_least: float | None = Field(None, allow_inf_nan=False, description="Smallest value that is right.")
    at_most: float | None = Field(None, allow_inf_nan=False, description="Largest value that is right.")
    evidence: Literal["paper", "measured", "none"] = Field("none", description="Where the figure comes from.")


class Cost(Section):
    """What the network costs that predicts by the recipe as it stands; counted, so overrides do not change it."""

    parameters: int = Field(ge=0, description="Numbers that it holds, moving statistics included.")
    mflops: NonNegative = Field(
        description="Millions of multiply-adds for one example, which papers call FLOPs: of convolutions, dense layers and attention; three digits."
    )


class Recipe(Section):
    """A whole recipe. `model`, `loss` and `data` are narrowed to the system's and the source's own sections."""

    system: str = Field(description="`family/name`, such as `segmentation/unet`; see `kvision list`.")
    model: Section = Field(description="The system's options.")
    loss: Section = Field(description="The system's loss.")
    data: DataOptions = Field(description="Where the examples come from; of a source without pictures, the section is its own `SourceOptions`.")
    optim: OptimOptions = Field(default_factory=OptimOptions)
    train: TrainOptions = Field(default_factory=TrainOptions)
    smoke: dict[str, Any] = Field(default_factory=dict, description="Dotted overrides that make the recipe run in seconds; used by --smoke.")
    expect: Expect | None = None
    cost: Cost | None = None

    @property
    def keep_every_epochs(self) -> int | None:
        """Which epochs' checkpoints are kept for good: as `train` says, or else where the cycles of `cosine_restarts` end; none: none."""
        if self.train.keep_every_epochs is None and self.optim.schedule == "cosine_restarts":
            return max(1, self.train.epochs // self.optim.cycles)
        return self.train.keep_every_epochs

    def chosen(self) -> dict[str, Chosen]:
        """`train.keep_every_epochs`: by the cycles of `cosine_restarts`."""
        if self.keep_every_epochs == self.train.keep_every_epochs:
            return {}
        return {"train.keep_every_epochs": Chosen("each cycle's end is a snapshot", self.keep_every_epochs)}

    def faults(self) -> list[tuple[str, str]]:
        """What does not fit across the sections that every recipe has, as `(dotted path, what came; what is accepted; what to do)`."""
        cycles, epochs = self.optim.cycles, self.train.epochs
        if self.optim.schedule != "cosine_restarts":
            return checks.without_effect("optim", self.optim, "schedule", {"cycles": ("cosine_restarts",)})
        found = []
        if epochs % cycles:
            found.append(("optim.cycles", f"{cycles} cycles can't end with epochs, of which train.epochs={epochs}; use a divisor of {epochs}"))
        if self.train.steps is not None:
            found.append(("train.steps", f"{self.train.steps} would end within a cycle of schedule=cosine_restarts; use train.epochs alone"))
        return found


COMMON: dict[str, type[Section]] = {"optim": OptimOptions, "train": TrainOptions, "expect": Expect, "cost": Cost}
"""Sections that every recipe has, whatever its system and its source."""
