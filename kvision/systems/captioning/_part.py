"""What every captioner shares: an encoder, a decoder that goes along sentences, losses, decoding, figures and pictures.

Shapes: B images with R references of up to L tokens; N = B R sentences of T = L + 1 steps; V numbers of the vocabulary; G places of the grid with D
features each. The network `encode` takes the image `[B, S, S, 3]` and gives first states and what is looked at; `step` takes a token `[B]` and these,
and gives float32 logits `[B, V]`, the next states and, with attention, `alpha` `[B, G]`, where it looked.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kvision.core import checks, paths
from kvision.core.errors import UsageError
from kvision.core.schema import NonNegative, Positive, Probability, Recipe, Section
from kvision.data.text.vocabulary import END, START, UNKNOWN
from kvision.engine.system import Batch, Monitor, Prediction, System
from kvision.systems.captioning import _encoder
from kvision.systems.captioning._encoder import EncoderOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import keras
    import numpy as np
    import tensorflow as tf
    from PIL import Image

    from kvision.core.schema import GroupOptions
    from kvision.data.preprocess import Preprocess
    from kvision.data.source import DataInfo
    from kvision.data.text.texts import Texts
    from kvision.engine.optim import Update
    from kvision.engine.pretrained import Pretrained
    from kvision.ops.decoding import Rules
    from kvision.systems.captioning._critic import Critic
    from kvision.systems.captioning._decoder import Decoder
    from kvision.systems.captioning._encoder import Encoder, Seen

ROLE = "net"
"""The one optimizer's name: it trains all networks."""
_USED_BY = {
    **dict.fromkeys(("label_smoothing", "doubly_stochastic", "scheduled_sampling"), ("cross_entropy",)),
    "samples": ("self_critical",),
}


class CaptionLoss(Section):
    """What is learnt from."""

    name: Literal["cross_entropy", "self_critical"] = Field(
        "cross_entropy",
        description="`cross_entropy`: each token of the references, given those before it; `self_critical`: CIDEr-D of sentences that the network "
        "draws, against that of its greedy one (Rennie 2017); for a second phase that begins from model.weights.",
    )
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0, description="Share of the target that is spread evenly over the vocabulary.")
    doubly_stochastic: NonNegative = Field(0.0, description="Weight of the penalty on attention that leaves places out over a sentence (Xu 2015).")
    scheduled_sampling: Probability = Field(
        0.0, description="Share of the tokens that the network is given in training which it drew itself (Bengio 2015), the same all the time."
    )
    samples: int = Field(5, ge=1, le=100, description="`self_critical`: sentences that are drawn of each picture.")


class DecodeOptions(Section):
    """How sentences are found."""

    beam: int = Field(1, ge=1, le=100, description="Sentences that are kept at once; 1: greedy.")
    length_alpha: NonNegative = Field(0.0, description="Log-probabilities are divided by length ** length_alpha before they are compared.")
    temperature: NonNegative = Field(0.0, description="0: the best is searched; else tokens are drawn, with logits divided by it.")
    top_p: Positive = Field(1.0, le=1.0, description="Drawn from the most probable tokens that together reach this probability (nucleus).")
    seed: int = Field(0, ge=0, lt=2**31, description="Of what is drawn.")
    no_repeat: int = Field(0, ge=0, le=20, description="No sequence of so many tokens comes twice in a sentence; 0: it may.")
    unknown: bool = Field(False, description="Whether the token for unknown words may be said.")


class CaptionerOptions(Section):
    """What every captioner lets one choose."""

    encoder: EncoderOptions = Field(default_factory=EncoderOptions, description="What sees.")
    embedding: int = Field(256, ge=1, le=8192, description="Numbers that stand for a token.")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Share of the embeddings and of the outputs that is dropped in training.")
    weights: str | None = Field(None, description="Run of the same captioner that all weights begin from; none: random, or those of the encoder.")
    decode: DecodeOptions = Field(default_factory=DecodeOptions, description="How sentences are found in evaluation and prediction.")


class Captioner(System):
    """Says what a picture shows; a leaf gives `Options`, `first` and `decoder_layer`."""

    Loss = CaptionLoss
    attends: ClassVar[bool] = True
    """Whether it tells by `alpha` where it looks."""
    fields: ClassVar[frozenset[str]] = frozenset({"image", "tokens", "captions"})
    monitor = Monitor("cider_d", "max")
    task = "captioning"
    staged = True
    decision = "tokens"
    late = ("model.decode",)
    device_format = "tflite-dynamic"
    folder_source = "caption_folder"
    gates: ClassVar[Mapping[str, float]] = {"fp32": 1e-4, "fp16": 0.01, "dynamic": 0.05, "quantized": 0.1}
    """Of CIDEr-D, which goes from 0 to 10: ten times those of metrics from 0 to 1."""

    def __init__(self, recipe: Recipe, info: DataInfo) -> None:
        super().__init__(recipe, info)
        if info.texts is None:
            raise UsageError(f"data.source: {recipe.data.source} has no captions; use scenes, coco_captions, flickr, caption_list or caption_folder")
        self.texts: Texts = info.texts
        self.loss: CaptionLoss = recipe.loss  # type: ignore[assignment]
        self.options: CaptionerOptions = recipe.model  # type: ignore[assignment]
        self.fields = self.fields | ({"content"} & info.fields)  # type: ignore[misc]
        self._encoder: Encoder | None = None

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Settings without effect, and faults of the encoder."""
        options: CaptionerOptions = recipe.model  # type: ignore[assignment]
        loss: CaptionLoss = recipe.loss  # type: ignore[assignment]
        found = checks.without_effect("loss", loss, "loss.name", _USED_BY) + _encoder.check(options.encoder, recipe)
        if loss.doubly_stochastic and not cls.attends:
            found.append(("loss.doubly_stochastic", f"{loss.doubly_stochastic} has no effect without attention; take it out"))
        if options.decode.temperature and options.decode.beam > 1:
            found.append(("model.decode.beam", f"{options.decode.beam} does not go with temperature={options.decode.temperature:g}; set one alone"))
        return found

    @property
    def vocabulary_size(self) -> int:
        """V."""
        return self.texts.vocabulary.size

    @property
    def steps(self) -> int:
        """T, with the end."""
        return self.texts.length + 1

    def build(self) -> dict[str, keras.Model]:
        """The networks `encode` and `step`."""
        import keras

        from kvision.systems.captioning._decoder import TOKEN
        from kvision.systems.captioning._encoder import Encoder

        self.rules = self._rules()
        self._encoder = Encoder(self.options.encoder, self.recipe, self.info)
        seen = self._encoder.see()
        self.grid = seen.grid
        first = {name: _wide(value) for name, value in sorted(self.first(seen).items())}
        given = {name: keras.Input(value.shape[1:], dtype=value.dtype, name=name) for name, value in first.items()}
        token = keras.Input((), dtype="int32", name=TOKEN)
        self.decoder: Decoder = self.decoder_layer(seen.grid)
        found = self.decoder({TOKEN: token, **given})
        self.changing = tuple(name for name in given if name in found)
        return {"encode": keras.Model(seen.image, first, name="encode"), "step": keras.Model([token, *given.values()], found, name="step")}

    @abc.abstractmethod
    def first(self, seen: Seen) -> dict[str, keras.KerasTensor]:
        """The first states, and what all steps look at, by the names that the decoder gives them."""

    @abc.abstractmethod
    def decoder_layer(self, grid: tuple[int, int]) -> Decoder:
        """The decoder for a grid of this height and width."""

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """All networks' variables, of one optimizer."""
        return {ROLE: [variable for net in self.networks.values() for variable in net.trainable_variables]}

    def groups(self) -> tuple[GroupOptions, ...]:
        """Those of the encoder's classifier."""
        return () if self._encoder is None else self._encoder.groups()

    def pretrained(self, base: Path) -> Pretrained | None:
        """The weights of the run that `model.weights` names, or those of the encoder; raises `KvisionError` if they can't be had."""
        from kvision.engine import pretrained, session, state

        named = state.weights(self.networks)
        if self.options.weights is None:
            return None if self._encoder is None else self._encoder.pretrained(base, {id(variable): name for name, variable in named.items()})
        run = paths.located(self.options.weights, base)
        _, values = session.stored(run, [f"net/{name}" for name in named])
        colour = session.recorded_preprocess(run)
        values = {name.removeprefix("net/"): value for name, value in values.items()}
        return pretrained.Pretrained(values, str(run), colour=None if colour is None else (colour.mean, colour.std))

    def expected_initial_loss(self) -> float | None:
        """Of even probabilities: log V; none where the loss is of more than the tokens."""
        plain = self.loss.name == "cross_entropy" and not self.loss.doubly_stochastic
        return math.log(self.vocabulary_size) if plain else None

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """One update of all networks on this replica's part of a batch."""
        from kvision.systems.captioning import _training

        if self.loss.name == "self_critical":
            return {"loss": updates[ROLE].minimize(self.critic.losses, batch)}
        scale = _training.scale(self, batch["tokens"])
        return {"loss": updates[ROLE].minimize(lambda part: _training.losses(self, part, scale), batch)}

    def extra_losses(self, said: Any, losses: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
        """What a leaf adds to the losses of the tokens `[T, N]`."""
        del said, counted
        return losses

    @cached_property
    def critic(self) -> Critic:
        """Of self-critical training."""
        from kvision.systems.captioning._critic import Critic

        return Critic(self)

    def encode(self, image: tf.Tensor, *, training: bool = False) -> dict[str, tf.Tensor]:
        """What the encoder gives of images `[B, S, S, 3]`."""
        return dict(self.networks["encode"](image, training=training))

    def step(self, token: tf.Tensor, states: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """One step: logits `[B, V]`; and the states and all else that it gives."""
        from kvision.systems.captioning._decoder import LOGITS, TOKEN

        net = self.networks["step"]
        found = dict(net([token if each.name == TOKEN else states[each.name] for each in net.inputs], training=False))
        return found.pop(LOGITS), found

    def _rules(self) -> Rules:
        """How sentences are found, as `model.decode` says."""
        from kvision.ops.decoding import Rules

        given = self.options.decode.model_dump()
        forbidden = () if given.pop("unknown") else (UNKNOWN,)
        return Rules(START, END, self.texts.length, forbidden=forbidden, **given)

    def predict_step(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """`tokens` int32 `[B, T]`, padding behind the end; `log_probability` `[B]`; and, with attention, `alpha` `[B, T, G]`."""
        return self._said(self.encode(image))

    def _said(self, states: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """As `predict_step`, from what the encoder gave."""
        from kvision.ops import decoding

        found = decoding.search(self.step, states, self.rules)
        extras = {name: value[:, 0] for name, value in found.extras.items()}
        return {"tokens": found.tokens[:, 0], "log_probability": found.log_probability[:, 0], **extras}

    def eval_step(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Sums: `nll` and `tokens` of the references; of each example its sentence as `tokens`, and what `judge` holds it against."""
        import tensorflow as tf

        from kvision.systems.captioning import _training

        states = self.encode(batch["image"])
        losses, counted = _training.walk(self, states, batch["tokens"])
        weight = batch["weight"]
        sums = {"nll": tf.reduce_sum(weight * losses), "tokens": tf.reduce_sum(weight * counted)}
        answers = {name: batch[name] for name in ("captions", "content") if name in batch}
        found = self._said(states)
        return sums, answers | {name: found[name] for name in ("tokens", *(("alpha",) if "content" in batch and self.attends else ()))}

    def judge(self, answers: Mapping[str, np.ndarray]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """`bleu_1` .. `bleu_4`, `rouge_l`, `meteor_exact`, `cider_d`; of scenes what is true, and `pointing`; of each `worst`, its CIDEr-D."""
        from kvision.systems.captioning import _judge

        return _judge.judge(answers, self.texts, self.grid, self.recipe.data.size_px)

    def metrics(self, sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        """`loss`, minus the mean log-probability of the references' tokens, and `perplexity`."""
        from kvision.metrics import perplexity

        return {"loss": float(sums["nll"]) / float(sums["tokens"]), **perplexity.metrics(sums)}

    def signatures(self) -> dict[str, str]:
        """`encode` and `step`."""
        return {role: role for role in self.networks}

    def decoding(self) -> dict[str, Any]:
        """The rules by which sentences are found."""
        return dataclasses.asdict(self.rules)

    def answer(self, output: Mapping[str, tf.Tensor], preprocess: Preprocess, height: tf.Tensor, width: tf.Tensor) -> dict[str, tf.Tensor]:
        """What is served for one picture: `caption` string, and its `log_probability`."""
        from kvision.systems.captioning import _wording

        del preprocess, height, width
        return {"caption": _wording.sentence(output["tokens"], self.texts.vocabulary), "log_probability": output["log_probability"]}

    def prediction(self, image: np.ndarray, output: Mapping[str, np.ndarray]) -> Prediction:
        """The `caption` and its `log_probability`; a picture of both, `answer`; and where it looked, `attention` `[T, h, w]`, also as a film."""
        from kvision.systems.captioning import _judge, _picture

        facts = {"caption": self.words(output), "log_probability": round(float(output["log_probability"]), 4)}
        pictures = {"answer": self.picture(image, output, None)}
        if "alpha" not in output:
            return Prediction(facts, pictures)
        attention, words = output["alpha"].reshape(-1, *self.grid), _judge.words(output["tokens"], self.texts)
        films = {"attention": _picture.filmed(image, words, attention)} if words else {}
        return Prediction(facts, pictures, {"attention": attention}, films)

    def words(self, output: Mapping[str, np.ndarray]) -> str:
        """The caption."""
        return self.texts.vocabulary.decode(output["tokens"].tolist())

    def picture(self, image: np.ndarray, output: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray] | None) -> Image.Image:
        """The image over its caption and a reference if known; with attention, once more for each word, with where it looked."""
        from kvision.systems.captioning import _judge, _picture

        words, caption = _judge.words(output["tokens"], self.texts), self.words(output)
        references = [] if truth is None else [each.decode() for each in truth["captions"].tolist() if each]
        looked = output["alpha"][: len(words)].reshape(-1, *self.grid) if "alpha" in output else None
        return _picture.captioned(image, caption, references[:1], words, looked)


def _wide(value: keras.KerasTensor) -> keras.KerasTensor:
    """A state as it goes between networks: float32, whole numbers as they are."""
    import keras

    return keras.ops.cast(value, "float32") if "float" in value.dtype else value
