"""Ensemble: several classifiers, trained apart, together or as snapshots of one run, that answer as one network.

Paper: Hansen & Salamon 1990, IEEE PAMI 12(10); snapshots: Huang et al. 2017, arXiv 1704.00109.
Deviations: members that are trained together see the same batches in the same order; only their first weights and their dropout differ. A GoogLeNet
among them learns without its auxiliary heads.
Shapes: image `[B, S, S, 3]` normalised, probabilities (or, for `average: logits`, logits) `[B, K]`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from kvision.core.schema import Chosen, GroupOptions, Recipe, Section
from kvision.systems.classification import _loss, _members
from kvision.systems.classification._members import Part
from kvision.systems.classification._part import Classifier

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from kvision.data.source import Source
    from kvision.engine.pretrained import Pretrained
    from kvision.engine.system import Batch, Examples

_TINY = 1e-7
"""Stands in for a probability of 0 in a logarithm."""


class EnsembleOptions(Section):
    """The members, and how they are joined."""

    members: tuple[str, ...] = Field(
        (), max_length=64, description="Trained members: run folders, checkpoints in them, or RUN/checkpoints for all kept there (snapshots)."
    )
    parts: tuple[Part, ...] | None = Field(
        None, max_length=64, description="Systems and options of members that are trained together; with `members`: kvision tells here what they are."
    )
    average: Literal["probabilities", "logits"] = Field("probabilities", description="What of the members' answers is averaged.")

    def chosen(self) -> dict[str, Chosen]:
        """`parts`: as trained members have them."""
        return {"parts": Chosen("as the members' runs have them")} if self.members else {}


class Ensemble(Classifier):
    """The mean of its members."""

    Options = EnsembleOptions
    _apart: tuple[keras.Model, keras.Model] | None = None

    @property
    def options(self) -> EnsembleOptions:
        """The recipe's."""
        return self.recipe.model  # type: ignore[return-value]

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """There must be members, and those that are trained here must be classifiers with the right options."""
        options: EnsembleOptions = recipe.model  # type: ignore[assignment]
        found = _loss.faults(recipe)
        if options.members:
            return found
        if len(options.parts or ()) < 2:
            count = len(options.parts or ())
            found.append(("model.parts", f"got {count}, expected two or more, or trained runs in model.members, such as [runs/a, runs/b]"))
        for number, part in enumerate(options.parts or ()):
            found += [(f"model.parts.{number}", message) for message in _members.check(part, recipe)]
        return found

    @classmethod
    def settle(cls, recipe: Recipe, source: Source) -> dict[str, Chosen]:
        """Beside `loss.class_weights`, what the trained members are."""
        options: EnsembleOptions = recipe.model  # type: ignore[assignment]
        found = _loss.settle(recipe.loss, source)  # type: ignore[arg-type]
        if options.parts and options.parts[0].run is not None:
            return found
        if not options.members:
            for part in options.parts or ():
                _members.settle(part, recipe, source)
            return found
        paths = _members.found(options.members, source.base)
        return found | {"model.parts": Chosen("as the members' runs have them", _members.parts(paths, recipe, source))}

    def build(self) -> dict[str, keras.Model]:
        """The network `net`: normalised image `[B, S, S, 3]` to float32 `[B, K]`."""
        import keras

        size_px = self.recipe.data.size_px
        image = keras.Input((size_px, size_px, 3), name="image")
        net = keras.Model(image, self.body(image), name="ensemble")
        if self.options.members:
            net.trainable = False
        return {"net": net}

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The members' mean `[B, K]`, named after what it is of."""
        import keras

        parts = self.options.parts or ()
        self._members = [_members.build(part, number, self.recipe, self.info, image) for number, part in enumerate(parts)]
        outputs = [member.net.output for member in self._members]
        self._answers = [member.net.layers[-1].name for member in self._members]
        if self.options.average == "probabilities":
            activation = "sigmoid" if self.several else "softmax"
            outputs = [
                keras.layers.Activation(activation, dtype="float32", name=f"member{number}_{activation}")(each) for number, each in enumerate(outputs)
            ]
        return keras.layers.Average(dtype="float32", name=self.options.average)(outputs)

    def groups(self) -> tuple[GroupOptions, ...]:
        """None: all members learn alike."""
        return ()

    def pretrained(self, base: Path) -> Pretrained | None:
        """The weights of the members' runs; none where members are trained here, which then may not ask for any."""
        from kvision.engine import pretrained, state

        if not self.options.members:
            for member in self._members:
                _members.plain(member, base)
            return None
        paths = [Path(part.run) for part in self.options.parts or () if part.run is not None]
        preprocess = _members.preprocess(paths)
        names = {id(variable): name for name, variable in state.weights(self.networks).items()}
        values: dict[str, np.ndarray] = {}
        for member, path in zip(self._members, paths, strict=True):
            values |= {names[id(mine)]: value for mine, value in zip(member.net.weights, _members.weights(member, path), strict=True)}
        return pretrained.Pretrained(values, ", ".join(map(str, paths)), colour=(preprocess.mean, preprocess.std))

    def fit(self, examples: Examples) -> None:
        """What members that are trained here fit before their first step."""
        for member in () if self.options.members else self._members:
            member.system.fit(examples)
            member.take()

    def example_losses(self, batch: Batch, training: bool = True) -> tf.Tensor:
        """The loss of each example `[B]`, summed over the members, so that each learns as it would alone, but for auxiliary heads."""
        import tensorflow as tf

        if self.options.members:
            return super().example_losses(batch, training)
        return tf.add_n([self.losses(logits, batch) for logits in self._each(batch["image"], training=training)]) + self.penalty()

    @property
    def _each(self) -> keras.Model:
        """The network `net` as it is now, but with the logits of each member."""
        import keras

        if self._apart is None or self._apart[0] is not self.net:
            each = keras.Model(self.net.input, [self.net.get_layer(name).output for name in self._answers], name="members")
            self._apart = (self.net, each)
        return self._apart[1]

    def expected_initial_loss(self) -> float | None:
        """That of each member."""
        one = super().expected_initial_loss()
        return None if one is None else one * len(self.options.parts or ())

    def as_logits(self, outputs: tf.Tensor) -> tf.Tensor:
        """Those that give the mean probabilities, where these are averaged."""
        import tensorflow as tf

        if self.options.average == "logits":
            return outputs
        kept = tf.clip_by_value(outputs, _TINY, 1.0 - _TINY)
        return tf.math.log(kept) - tf.math.log1p(-kept) if self.several else tf.math.log(kept)

    def decoding(self) -> dict[str, Any]:
        """Probabilities are averaged within the network, or logits are."""
        found = super().decoding()
        return found if self.options.average == "logits" else {**found, "output": "probabilities", "activation": "none"}
