"""What every image classifier shares: the head, losses, metrics, predictions and pictures.

Shapes: B batch, S side of the image, K classes; the network takes `[B, S, S, 3]` and gives float32 logits `[B, K]`. A picture has one class
(`label`) or any number of them (`targets`): the data decides, and the loss, the metrics and the answer follow.
"""

from __future__ import annotations

import abc
import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kvision.core import checks, paths
from kvision.core.errors import UsageError
from kvision.core.schema import Chosen, Recipe
from kvision.engine.system import Batch, Examples, Heat, Monitor, Prediction, System
from kvision.systems.classification import _loss, _transfer
from kvision.systems.classification._loss import ClassificationLoss

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import keras
    import numpy as np
    import tensorflow as tf
    from PIL import Image

    from kvision.core.schema import GroupOptions
    from kvision.data.preprocess import Preprocess
    from kvision.data.source import DataInfo, Source
    from kvision.engine.optim import Update
    from kvision.engine.pretrained import Pretrained
    from kvision.systems.classification._torch_weights import Naming

_SHOWN = 5
IMAGENET = "imagenet"


class ClassifierOptions(_transfer.TransferOptions):
    """What every classifier lets one choose."""

    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Share of the features that is dropped before the logits in training.")
    tta: Literal["none", "flip", "ten_crop"] = Field(
        "none",
        description="Test-time augmentation, in exported files too: logits are the mean over the picture and its mirror image, or over ten crops of "
        "7/8 of the side (Krizhevsky 2012).",
    )

    def left_open(self, why: str, **values: Any) -> dict[str, Chosen]:
        """Those of the options that stand open, null or `auto`, with the values that are chosen for them."""
        return {name: Chosen(why, value) for name, value in values.items() if getattr(self, name) in (None, "auto")}


class Classifier(System):
    """Names the class or classes of a picture; a leaf gives `Options` and `body`, whose features become logits in the network `net`."""

    Loss = ClassificationLoss
    fields: ClassVar[frozenset[str]] = frozenset({"image", "label"})
    monitor = Monitor("top1", "max")
    task = "classification"
    staged = True
    decision = "classes"
    folder_source = "image_folder"

    def __init__(self, recipe: Recipe, info: DataInfo) -> None:
        super().__init__(recipe, info)
        self.loss: ClassificationLoss = recipe.loss  # type: ignore[assignment]
        self.several = "label" not in info.fields
        self._chosen: dict[str, Chosen] = {}
        self.fields = frozenset({"image", "targets" if self.several else "label"})  # type: ignore[misc]
        if self.several:
            self.monitor = Monitor("map", "max")  # type: ignore[misc]
        if not isinstance(self.loss.class_weights, str):
            checks.one_for_each_class("loss.class_weights", self.loss.class_weights, info.class_names)
        name = self.loss.name
        if name != "auto" and self.several != (name == "bce"):
            has = "several classes a picture, which loss.name=bce is for" if self.several else "one class a picture; bce is for several"
            raise UsageError(f"loss.name: {name} does not fit data with {has}; use loss.name=auto")

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Loss settings that the chosen loss does not look at, and options of transfer that don't go together."""
        options: ClassifierOptions = recipe.model  # type: ignore[assignment]
        return _transfer.faults(options) + _loss.faults(recipe)

    @classmethod
    def settle(cls, recipe: Recipe, source: Source) -> dict[str, Chosen]:
        """`loss.class_weights`, where they go by a rule, and `model.knn_examples`; raises `DataError` where the data does not tell its labels."""
        options: ClassifierOptions = recipe.model  # type: ignore[assignment]
        return _loss.settle(recipe.loss, source) | _transfer.settle(options, source)  # type: ignore[arg-type]

    @abc.abstractmethod
    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The features of normalised images `[B, S, S, 3]`: a map `[B, h, w, C]`, of which the head takes the mean, or a vector `[B, D]`."""

    def build(self) -> dict[str, keras.Model]:
        """The network `net`: normalised image `[B, S, S, 3]` to float32 logits `[B, K]`."""
        import keras

        size_px = self.recipe.data.size_px
        image = keras.Input((size_px, size_px, 3), name="image")
        net = keras.Model(image, self.averaged(self.head(self.body(self._views(image)))), name=type(self).__name__.lower())
        _transfer.freeze(net, self.recipe.model)  # type: ignore[arg-type]
        return {"net": net}

    def _views(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The images, or several views of each where `tta` asks for them."""
        options: ClassifierOptions = self.recipe.model  # type: ignore[assignment]
        if options.tta == "none":
            return image
        from kvision.layers.views import Views

        return Views(options.tta, name="views")(image)

    def averaged(self, logits: keras.KerasTensor, name: str = "averaged") -> keras.KerasTensor:
        """The logits `[B, K]` of pictures, from those of their views where `tta` asks for several."""
        options: ClassifierOptions = self.recipe.model  # type: ignore[assignment]
        if options.tta == "none":
            return logits
        from kvision.layers.views import Averaged

        return Averaged(options.tta, dtype="float32", name=name)(logits)

    def groups(self) -> tuple[GroupOptions, ...]:
        """In fine-tuning, the body at its own rates."""
        return _transfer.groups(self.net, self.recipe.model)  # type: ignore[arg-type]

    def pretrained(self, base: Path) -> Pretrained | None:
        """The weights that `model.weights` names; those of the logits are optional.

        Args:
            base: Folder that relative paths start from; what is not there is looked for in the working folder.

        Returns:
            The weights, or none for random ones.

        Raises:
            KvisionError: If they can't be had, or fit another network.
        """
        from kvision.engine import pretrained

        options: ClassifierOptions = self.recipe.model  # type: ignore[assignment]
        if options.weights is None:
            return None
        if options.weights == IMAGENET:
            return self.imagenet()
        path = paths.located(options.weights, base)
        given = pretrained.read(path, (f"net/{_transfer.HEAD}/",))
        if any(name.startswith("net/") for name in given.values):
            return given
        from kvision.systems.classification import _torch_weights

        return _torch_weights.carried(given, self.net, self.recipe, self.namings(), _torch_weights.configuration(path))

    def namings(self) -> tuple[Naming, ...]:
        """How packages of PyTorch name the layers of this network, best known first; none: its weights are read by our own names only."""
        return ()

    def imagenet(self) -> Pretrained:
        """Published weights of this network for ImageNet; raises `UsageError` where there are none."""
        raise UsageError(
            f"model.weights: no ImageNet weights are known for {self.recipe.system} with these options; give a run's folder or a file of weights"
        )

    def fit(self, examples: Examples) -> None:
        """Fits the head to the features of the training examples, where `transfer` says so."""
        from kvision.systems.classification import _fitted_head

        options: ClassifierOptions = self.recipe.model  # type: ignore[assignment]
        if options.transfer in _transfer.FITTED:
            self._chosen = _fitted_head.fit(self, options, examples)

    def chosen(self) -> dict[str, Chosen]:
        """`model.probe_c` or `model.knn_k`, where it was chosen in this process."""
        return self._chosen

    def head(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Float32 logits `[B, K]` of features: the mean over the map, dropout, and one linear layer, or votes of the nearest examples."""
        import keras

        from kvision.layers.dropout import Dropout

        options: ClassifierOptions = self.recipe.model  # type: ignore[assignment]
        if len(features.shape) == 4:
            features = keras.layers.GlobalAveragePooling2D(name="mean")(features)
        if options.transfer == "knn":
            return _transfer.neighbours(options, self.info.num_classes)(features)
        if options.dropout:
            features = Dropout(options.dropout, name="dropout")(features)
        return keras.layers.Dense(self.info.num_classes, dtype="float32", name="logits")(features)

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """One update of the network on this replica's part of a batch."""
        return {"loss": updates["net"].minimize(self.example_losses, batch)}

    def example_losses(self, batch: Batch, training: bool = True) -> tf.Tensor:
        """The loss of each example `[B]`, with the penalty on the kernels."""
        return self.losses(self.logits(batch["image"], training), batch) + self.penalty()

    def logits(self, image: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits `[B, K]` of normalised images."""
        return self.as_logits(self.net(image, training=training))

    def as_logits(self, outputs: tf.Tensor) -> tf.Tensor:
        """Logits `[..., K]` from what the network says, which is these unless a leaf's says something else."""
        return outputs

    def losses(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        """The recipe's loss of each example `[B]` for logits `[B, K]`; of a mixed example, the mix of what its two labels cost."""
        if self.several:
            return _loss.of_examples(self.loss, logits, batch["targets"])
        own = _loss.of_examples(self.loss, logits, batch["label"])
        if "mix" not in batch:
            return own
        return batch["mix"] * own + (1.0 - batch["mix"]) * _loss.of_examples(self.loss, logits, batch["other_label"])

    def expected_initial_loss(self) -> float | None:
        """Of even probabilities 1/K: log K (times (1 - 1/K)^gamma for `focal`); K - 1 violated margins; log 2 where each class is a yes or no."""
        loss, num_classes = self.loss, self.info.num_classes
        if loss.class_weights is not None or loss.name.startswith("bootstrap"):
            return None
        if self.several:
            return math.log(2)
        entropy, others = math.log(num_classes), num_classes - 1
        expected = {
            "focal": (1 - 1 / num_classes) ** loss.gamma * entropy,
            "hinge": others * loss.margin,
            "squared_hinge": others * loss.margin**2,
        }
        return expected.get(loss.name, entropy)

    def penalty(self) -> tf.Tensor | float:
        """What L1 and L2 regularisation of the kernels (variables of rank 2 and more) adds to the loss, scalar."""
        import tensorflow as tf

        loss = self.loss
        if not (loss.l1 or loss.l2):
            return 0.0
        trained = [variable for variables in self.trainables().values() for variable in variables]
        kernels = [tf.cast(variable.value, tf.float32) for variable in trained if len(variable.shape) > 1]
        if not kernels:
            return 0.0
        return tf.add_n([loss.l1 * tf.reduce_sum(tf.abs(kernel)) + loss.l2 * tf.nn.l2_loss(kernel) for kernel in kernels])

    def predict_step(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """`probabilities` float32 `[B, K]` and `classes` int32: the most probable one `[B]`, or, where there may be several, 0 or 1 `[B, K]`."""
        import tensorflow as tf

        logits = self.logits(image)
        if self.several:
            return {"probabilities": tf.sigmoid(logits), "classes": tf.cast(logits > 0, tf.int32)}
        return {"probabilities": tf.nn.softmax(logits), "classes": tf.argmax(logits, axis=-1, output_type=tf.int32)}

    def decoding(self) -> dict[str, Any]:
        """The probabilities are the softmax of the logits, or their sigmoids where a picture may have several classes."""
        activation = "sigmoid" if self.several else "softmax"
        return {"output": "logits", "activation": activation, "top_k": min(_SHOWN, self.info.num_classes)}

    def answer(self, output: Mapping[str, tf.Tensor], preprocess: Preprocess, height: tf.Tensor, width: tf.Tensor) -> dict[str, tf.Tensor]:
        """What is served for one picture: `class_names` string `[k]` and `class_scores` float32 `[k]` of the most probable classes, best first."""
        import tensorflow as tf

        del preprocess, height, width
        scores, classes = tf.math.top_k(output["probabilities"], min(_SHOWN, self.info.num_classes))
        return {"class_names": tf.gather(tf.constant(self.info.class_names), classes), "class_scores": scores}

    def eval_step(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Sums: `loss`, `weight` and the counts of the metrics; and what the network says of each example, such as `worst` `[B]`."""
        import tensorflow as tf

        from kvision.metrics import calibration, classification, ranking

        logits, weight = self.logits(batch["image"]), batch["weight"]
        sums = {"loss": tf.reduce_sum(weight * self.losses(logits, batch)), "weight": tf.reduce_sum(weight)}
        if self.several:
            return sums | ranking.count(logits, batch["targets"], weight), ranking.scores(logits, batch["targets"])
        label = batch["label"]
        sums |= classification.count(logits, label, weight) | calibration.count(logits, label, weight)
        return sums, classification.scores(logits, label)

    def examples(self, scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """`worst` and `least_sure`; where pictures have one class, also some of each class and those whose label may be wrong."""
        from kvision.metrics import selection

        return super().examples(scores) if self.several else selection.of_labels(scores)

    def metrics(self, sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        """`loss`, mean over the examples and without `l1` and `l2`, and those of `metrics.classification` and `ece`, or of `metrics.ranking`."""
        from kvision.metrics import calibration, classification, ranking

        found = {"loss": float(sums["loss"]) / float(sums["weight"])}
        if self.several:
            return found | ranking.metrics(sums)
        return {**found, **classification.metrics(sums), "ece": calibration.ece(sums)}

    def tables(self, sums: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """`per_class` values; of pictures with one class `confusion` `[K, K]`, rows true, `top_k` `[R]` and `reliability`; else `curves`."""
        from kvision.metrics import calibration, classification, ranking

        if self.several:
            return {"per_class": ranking.per_class(sums), "curves": ranking.curves(sums)}
        return {
            "confusion": sums["confusion"],
            "per_class": classification.per_class(sums),
            "top_k": classification.top_k(sums),
            "reliability": calibration.reliability(sums),
        }

    def prediction(self, image: np.ndarray, output: Mapping[str, np.ndarray]) -> Prediction:
        """The `classes`, `{name: probability}` of the most probable ones, best first; and a picture of them, `answer`."""
        import numpy as np

        probabilities, names = output["probabilities"], self.info.class_names
        best = np.argsort(-probabilities, kind="stable")[:_SHOWN].tolist()
        facts = {"classes": {names[number]: round(float(probabilities[number]), 6) for number in best}}
        return Prediction(facts, {"answer": self.picture(image, output, None)})

    def heat(self, preprocess: Preprocess) -> Heat:
        """Where in a picture its best class is: the network slid over it."""
        from kvision.systems.classification import _convolutional, _heat

        sliding = _convolutional.sliding(self.net)
        return _heat.HeatMap(sliding, preprocess, self.info.class_names, several=self.several, as_logits=self.as_logits)

    def picture(self, image: np.ndarray, output: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray] | None) -> Image.Image:
        """The image beside its most probable classes, and the truth if known."""
        import numpy as np

        from kvision.systems.classification import _picture

        true = None
        if truth is not None:
            true = np.flatnonzero(truth["targets"]).tolist() if self.several else [int(truth["label"])]
        return _picture.beside(image, output["probabilities"], true, self.info.class_names, several=self.several)
