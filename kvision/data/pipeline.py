"""The input pipeline: which example stands where in which step, and batches of them, all in the graph.

What global batch s holds is a pure function of (seed, s): global position p = s * batch + j lies in epoch p // (steps_per_epoch * batch), and
the place within the epoch is permuted by `tf.random.experimental.index_shuffle` in constant memory. So training starts at any step without
replaying those before it, and any number of replicas sees the same global batches.

`mixup` and `cutmix` take an example's partner from another place of the same epoch, by a permutation of their own.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.core.progress import Count
from kvision.data import faults, mixing, references, service
from kvision.data.augment import augment, ends_with_colour, falsifying, is_identity, part
from kvision.data.cache import Reader, Store, chosen_cache, open_store
from kvision.data.order import Balanced, Bucketed, Lanes, Shuffled
from kvision.data.preprocess import Preprocess
from kvision.data.share import Share
from kvision.data.source import PICTURE
from kvision.data.statistics import channel_statistics
from kvision.data.text.summary import Summary, summary
from kvision.data.text.texts import TextOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kvision.core.schema import Chosen, DataOptions
    from kvision.data.order import Order
    from kvision.data.source import DataInfo, Source, Split, SplitName
    from kvision.data.text.texts import Texts

CROP_STREAM = 1_000_003
"""Keeps the draws of random crops apart from those of augmentation."""
MIX_STREAM = 1_000_033
"""Keeps the draws of mixing, and the order of the partners, apart from all others."""


class Pipeline:
    """Batches of one data set for training and validation.

    Attributes:
        info: What the data set is about.
        options: The recipe's `data` section.
        fields: The example fields that batches hold.
        seed: Seed of order and augmentation.
    """

    def __init__(
        self,
        source: Source,
        options: DataOptions,
        fields: frozenset[str],
        seed: int,
        *,
        preprocess: Preprocess | None = None,
        service: str | None = None,
    ) -> None:
        """Nothing is read yet; a split is read when it is first needed.

        Args:
            source: The data set.
            options: The recipe's `data` section.
            fields: The example fields that batches shall hold; `image` is one wherever the source has pictures.
            seed: Seed of order and augmentation, `train.seed`.
            preprocess: The preprocessing of an earlier run; none: with statistics of the training split.
            service: `HOST:PORT` of a tf.data service that prepares the training batches; none: this process does.

        Raises:
            DataError: If the source can't give one of the fields.
        """
        self.info: DataInfo = source.info
        self.options = options
        self.fields = fields | ({PICTURE} & self.info.fields)
        self.seed = seed
        self._source = source
        self._service = service
        self._splits: dict[SplitName, Split] = {}
        self._stores: dict[SplitName, Store] = {}
        if preprocess is not None:
            self.preprocess = preprocess
        missing = sorted(self.fields - self.info.fields)
        if missing:
            raise DataError(
                f"data.source: {options.source} has no {', '.join(missing)}; it gives {', '.join(sorted(self.info.fields))}; "
                "use another source or another system"
            )
        unmixed = sorted(self.fields - mixing.FIELDS)
        if unmixed and self._mixes:
            raise DataError(f"data.augment: mixup and cutmix mix whole pictures, which {', '.join(unmixed)} can't follow; set both to 0")
        false = falsifying(options.augment) if self.pictures and self.fields & {"captions", "tokens", "content"} else []
        if false:
            raise DataError(
                f"data.augment: {', '.join(false)} would make captions false, for they change sides, directions or colours; leave them out; "
                "moves, crops, light and small rotations are fine"
            )

    @property
    def pictures(self) -> bool:
        """Whether the examples have pictures; of others nothing is placed, normalised or augmented."""
        return PICTURE in self.fields

    @property
    def texts(self) -> Texts | None:
        """The texts whose numbers the examples hold; none: they hold no such numbers."""
        return self.info.texts if "tokens" in self.fields or not self.pictures else None

    @cached_property
    def preprocess(self) -> Preprocess:
        """How pictures are brought into the square and normalised, with mean and deviation of the training split; DataError if there are none."""
        if not self.pictures:
            given = ", ".join(sorted(self.fields))
            raise DataError(f"data.source: {self.options.source} has no pictures, and they are needed here; it gives {given}")
        mean, std = channel_statistics(self._split("train"), self.options.on_error)
        return Preprocess(self.options.size_px, self.options.fit, mean, std)

    @cached_property
    def num_train(self) -> int:
        """Number of training examples."""
        return len(self._store("train"))

    @cached_property
    def num_val(self) -> int:
        """Number of validation examples."""
        return len(self._store("val"))

    @cached_property
    def steps_per_epoch(self) -> int:
        """Steps an epoch: whole batches only, so that each epoch leaves out fewer than `batch` examples, others each time.

        Returns:
            At least 1.

        Raises:
            DataError: If there are fewer training examples than a batch takes.
        """
        steps = self.num_train // self.options.batch
        if steps == 0:
            raise DataError(
                f"data.batch: {self.options.batch} is more than the {self.num_train} training examples; use a batch of at most {self.num_train}"
            )
        return steps

    @cached_property
    def val_steps(self) -> int:
        """Global batches that hold each validation example once."""
        return -(-self.num_val // self.options.val_batch)

    def train(self, start_step: int, context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
        """Endless training batches from global step `start_step` on.

        Args:
            start_step: The first global batch.
            context: Which input pipeline this is of how many, and for how many replicas; none: the only one, for one replica.

        Returns:
            Per-replica batches of `fields`, `index` int64 `[b]` and `weight` float32 `[b]` (ones); of pictures, `image` is float32
            `[b, S, S, 3]`, normalised. Element r of each step holds positions `[r * b, (r + 1) * b)` of the global batch.

        Raises:
            DataError: If the batch can't be split evenly over the replicas.
        """
        share = Share.of(self.options.batch, context)
        if getattr(self._store("train").reader.split, "alike", False):
            return self._repeated(share)
        first = start_step * share.mine
        if self._service is None:
            return self._batches(share, tf.data.Dataset.range(first, np.iinfo(np.int64).max))
        return service.ordered(self._service, first // share.each, share.each, lambda counts: self._batches(share, counts, numbered=True))

    def _batches(self, share: Share, counts: tf.data.Dataset, *, numbered: bool = False) -> tf.data.Dataset:
        """Training batches of the examples at these places of the share, and of the places themselves where they are `numbered`."""
        steps, store = self.steps_per_epoch, self._store("train")

        def fetch(count: tf.Tensor) -> dict[str, tf.Tensor]:
            step, place = share.locate(count)
            epoch, within = step // steps, step % steps * self.options.batch + place
            index = self._order(within, self._epoch_seed(epoch))
            example = store.fetch(index)
            if self._varies:
                example = self._augmented(example, epoch, index, normalised=self._normalises_early)
            if self._mixes:
                example = self._mixed(example, epoch, within)
            example = self._referred(example, epoch, index)
            example = {**example, "index": index, "weight": tf.ones_like(index, tf.float32)}
            return {**example, service.POSITION: count} if numbered else example

        if store.vectorised and not self._varies:
            batches = counts.batch(share.each, drop_remainder=True).map(fetch, tf.data.AUTOTUNE)
        else:
            batches = counts.map(fetch, tf.data.AUTOTUNE).batch(share.each, drop_remainder=True)
        if isinstance(order := self._order, Bucketed):
            longest = order.longest
            batches = batches.map(lambda batch: _trimmed(batch, longest), tf.data.AUTOTUNE)
        return self._finish(batches, normalised=self._normalises_early)

    def _repeated(self, share: Share) -> tf.data.Dataset:
        """The first batch again and again, for examples that are alike: without threads, a fifth of the time where a step is a short one."""
        options = tf.data.Options()
        options.autotune.enabled = False
        options.experimental_optimization.inject_prefetch = False
        return self._batches(share, tf.data.Dataset.range(share.mine)).cache().repeat().with_options(options)

    def until(self, stage: Literal["read", "decode"]) -> tf.data.Dataset:
        """Training examples one by one, in their order, from the first step on, as far as a stage: to measure what each costs.

        Args:
            stage: `read`: only the bytes of the files, nothing where the examples are in memory; `decode`: the examples as they are augmented next.

        Returns:
            Endless; strings or examples.
        """
        share, steps, store = Share.of(self.options.batch, None), self.steps_per_epoch, self._store("train")
        data = getattr(store.reader.split, "file_bytes", None)

        def fetch(count: tf.Tensor) -> Any:
            step, place = share.locate(count)
            index = self._order(step % steps * self.options.batch + place, self._epoch_seed(step // steps))
            if stage == "decode":
                return store.fetch(index)
            return index if data is None or store.in_ram else data(store.number(index))

        return tf.data.Dataset.range(np.iinfo(np.int64).max).map(fetch, tf.data.AUTOTUNE)

    def files_of_training(self) -> list[str]:
        """The files that training examples are read from, each once; none where they are in memory."""
        store = self._store("train")
        return [] if store.in_ram else sorted(set(map(str, getattr(store.reader.split, "files", ()))))

    def val(self, context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
        """All validation examples once, in order, as equally many full batches for each replica.

        Args:
            context: As for `train`.

        Returns:
            Per-replica batches as `train` gives them; those that fill up the last ones repeat an example with `weight` 0.
        """
        return self._in_order("val", context)

    def examples(self, split: SplitName) -> Iterator[dict[str, np.ndarray]]:
        """All examples of a split once, in order and not augmented, in batches of up to `data.batch`, for `System.fit`; progress is shown.

        Args:
            split: `train` or `val`.

        Yields:
            `fields`, `index` and `weight` as `val` gives them; the last batch may be smaller.
        """
        total, done = len(self._store(split)), 0
        with Count(f"going through the {split} examples", total) as progress:
            for batch in self._in_order(split, None).as_numpy_iterator():
                count = int(batch["weight"].sum())
                yield {name: values[:count] for name, values in batch.items()}
                done += count
                progress.at(done)

    def _in_order(self, split: SplitName, context: tf.distribute.InputContext | None) -> tf.data.Dataset:
        """Per-replica batches of all examples of a split in order, filled up by repeats of weight 0."""
        batch, store = self.options.val_batch, self._store(split)
        share = Share.of(batch, context)
        total = len(store)

        def fetch(count: tf.Tensor) -> dict[str, tf.Tensor]:
            step, place = share.locate(count)
            position = step * batch + place
            index = tf.minimum(position, total - 1)
            example = self._placed(store.fetch(index))
            return {**example, "index": index, "weight": tf.cast(position < total, tf.float32)}

        positions = tf.data.Dataset.range(-(-total // batch) * share.mine)
        if store.vectorised:
            batches = positions.batch(share.each, drop_remainder=True).map(fetch, tf.data.AUTOTUNE)
        else:
            batches = positions.map(fetch, tf.data.AUTOTUNE).batch(share.each, drop_remainder=True)
        return self._finish(batches)

    def indices(self, step: int) -> np.ndarray:
        """Numbers of the examples that global batch `step` holds, int64 `[batch]`."""
        epoch, places = self._places(step)
        return self._order(places, self._epoch_seed(epoch)).numpy()

    def _places(self, step: int) -> tuple[tf.Tensor, tf.Tensor]:
        """The epoch of global batch `step`, and the places in it that the batch holds, int64 `[batch]`."""
        epoch, within = divmod(step, self.steps_per_epoch)
        places = tf.range(within * self.options.batch, (within + 1) * self.options.batch, dtype=tf.int64)
        return tf.constant(epoch, tf.int64), places

    def names(self, step: int) -> list[str]:
        """Names of the examples that global batch `step` holds."""
        return [self._store("train").names[index] for index in self.indices(step)]

    def raw(self, split: SplitName, index: int) -> dict[str, np.ndarray]:
        """One example before augmentation and normalisation, its picture as it lies in the square, for people to look at.

        Args:
            split: `train` or `val`.
            index: Number of the example, as in a batch's `index`.

        Returns:
            The fields; of pictures, `image` is uint8 `[S, S, 3]`.
        """
        example = self._placed(self._store(split).fetch(tf.constant(index, tf.int64)))
        return {name: value.numpy() for name, value in example.items()}

    def sample(self, index: int, epoch: int) -> dict[str, np.ndarray]:
        """A training example as epoch `epoch` shows it: augmented, but not normalised, for people to look at.

        Args:
            index: Number of the example.
            epoch: Number of the epoch, from 0 on.

        Returns:
            `image` uint8 `[S, S, 3]` and the other fields.
        """
        number = tf.constant(index, tf.int64)
        example = self._augmented(self._store("train").fetch(number), tf.constant(epoch, tf.int64), number)
        example = self._referred(example, tf.constant(epoch, tf.int64), number)
        example[PICTURE] = tf.saturate_cast(tf.round(tf.cast(example[PICTURE], tf.float32)), tf.uint8)
        return {name: value.numpy() for name, value in example.items()}

    def original_size(self, split: SplitName, index: int) -> tuple[int, int]:
        """Height and width of one picture before it is brought into the square, pixels."""
        height, width, _ = self._store(split).original(index, frozenset({PICTURE}))[PICTURE].shape
        return int(height), int(width)

    def name(self, split: SplitName, index: int) -> str:
        """Name of one example."""
        return self._store(split).names[index]

    def blame(self, first_step: int, last_step: int) -> str | None:
        """Why a batch of these steps could not be read, naming the file; none if all of them can. For use after the graph failed."""
        for step in range(first_step, last_step + 1):
            epoch, places = self._places(step)
            partners = self._order(places, self._mix_seed(epoch)).numpy() if self._mixes else ()
            for index in (*self.indices(step), *partners):
                reason = self._store("train").blame(int(index))
                if reason is not None:
                    return reason
        return None

    def fingerprint(self) -> str:
        """Hash of what the data set consists of and how it is prepared: a run must not go on with other data."""
        options = self.options.model_dump(mode="json", exclude={"cache"})
        content = [options, self.seed, self.info.class_names, self._store("train").names, self._store("val").names]
        content += [] if self.texts is None else [self.texts.length, self.texts.vocabulary.tokens]
        content += [] if self.info.environment is None else [str(self.info.environment.spaces)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def report(self) -> dict[str, Any]:
        """What the run folder keeps of the data: counts, statistics, files left out, and the source's own report."""
        source, text = self._source.report(), self._summary
        return {
            "source": self.options.source,
            "num_train": self.num_train,
            "num_val": self.num_val,
            "steps_per_epoch": self.steps_per_epoch,
            "fields": sorted(self.info.fields),
            "class_names": list(self.info.class_names),
            "palette": [list(colour) for colour in self.info.palette],
            "preprocess": json.loads(self.preprocess.to_json()) if self.pictures else None,
            "warnings": [*source.pop("warnings", ()), *faults.warnings(text.faults() if text else ())],
            **({"texts": text.to_json()} if text else {}),
            "skipped": {split: self._store(split).skipped for split in ("train", "val")},
            "fingerprint": self.fingerprint(),
            **source,
        }

    def chosen(self) -> dict[str, Chosen]:
        """What data and machine decide for options of the `data` section that stand open, by option."""
        return {"cache": chosen_cache(self._store("train"), self._store("val")), **self._source.chosen()}

    def _split(self, name: SplitName) -> Split:
        """The source's split, made once."""
        if name not in self._splits:
            self._splits[name] = self._source.split(name)
        return self._splits[name]

    def _store(self, name: SplitName) -> Store:
        """The examples of a split, made ready once."""
        if name not in self._stores:
            uncut = name == "train" and self._fills
            reader = Reader(self._split(name), self.fields, self.preprocess if self.pictures else None, self.info, uncut=uncut)
            served = self._service is not None and name == "train"
            if served and not getattr(reader.split, "remotable", False):
                raise DataError(
                    f"--data-service: {self.options.source} makes its examples in this process; a service reads files: folders of pictures, TFRecord"
                )
            self._stores[name] = open_store(reader, "none" if served else self.options.cache, self.options.on_error)
        return self._stores[name]

    def _placed(self, example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """An example in the square, where its store has not brought it there; batches always are."""
        return self.preprocess.place(example) if self.pictures and example[PICTURE].shape.rank == 3 else example

    def normalised(self, example: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Examples as networks are given them: pictures normalised, all else as it is."""
        if PICTURE not in example:
            return dict(example)
        return {**example, PICTURE: self.preprocess.normalise(example[PICTURE])}

    @property
    def _crops(self) -> bool:
        """Whether pictures keep their own resolution."""
        return self.pictures and self.options.fit == "crop"

    @property
    def _fills(self) -> bool:
        """Whether parts of training pictures fill the square."""
        return self.pictures and self.options.augment.resized_crop > 0

    @property
    def _varies(self) -> bool:
        """Whether each epoch shows pictures otherwise: augmented, mixed, or cut elsewhere."""
        return self.pictures and not (is_identity(self.options.augment) and self.options.fit == "resize" and not self._mixes)

    @property
    def _mixes(self) -> bool:
        """Whether pictures are mixed with others."""
        return self.pictures and not mixing.is_off(self.options.augment)

    @property
    def _normalises_early(self) -> bool:
        """Whether training pictures are normalised one by one, as their colours change, which saves going through each batch once more."""
        return self.pictures and ends_with_colour(self.options.augment)

    def _augmented(self, example: dict[str, tf.Tensor], epoch: tf.Tensor, index: tf.Tensor, *, normalised: bool = False) -> dict[str, tf.Tensor]:
        """A training example as this epoch shows it: a pure function of (seed, epoch, index)."""
        seed, prepare = tf.stack([(self.seed << 32) + epoch, index]), self.preprocess
        if self._crops:
            example = prepare.place(example, tf.random.experimental.stateless_fold_in(seed, CROP_STREAM))
        if self._fills:
            example = part(example, self.options.augment, seed, prepare)
        return augment(example, self.options.augment, seed, padding=prepare.padding, normalise=prepare.normalise if normalised else None)

    def _referred(self, example: dict[str, tf.Tensor], epoch: tf.Tensor, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """A training example with those of its sentences that this epoch shows."""
        if not isinstance(self.options, TextOptions) or not self.fields & references.FIELDS:
            return example
        return references.draw(example, self.options.references, self.seed, epoch, index)

    @cached_property
    def _summary(self) -> Summary | None:
        """How well the texts of all splits fit vocabulary and length; none: there are none."""
        splits: tuple[SplitName, ...] = ("train", "val")
        return None if self.texts is None else summary(self.texts, {name: self._split(name) for name in splits})

    def _mixed(self, example: dict[str, tf.Tensor], epoch: tf.Tensor, within: tf.Tensor) -> dict[str, tf.Tensor]:
        """A training example mixed with its partner."""
        seed = self._mix_seed(epoch)

        def partner() -> dict[str, tf.Tensor]:
            index = self._order(within, seed)
            return self._augmented(self._store("train").fetch(index), epoch, index)

        return mixing.mix(example, partner, self.options.augment, tf.stack([seed[0], seed[1] * self.num_train + within]))

    def _mix_seed(self, epoch: tf.Tensor) -> tf.Tensor:
        """Seed int64 `[2]` of the order of an epoch's partners: another permutation, in which each stands at the place of its example."""
        return self._epoch_seed(epoch) + tf.constant([MIX_STREAM, 0], tf.int64)

    @cached_property
    def _order(self) -> Order:
        """Which training example (int64, scalar or `[b]`) stands at a place of an epoch."""
        if getattr(self._split("train"), "consecutive", False):
            return Lanes(self.steps_per_epoch, self.options.batch)
        buckets = self.options.buckets if "tokens" in self.fields and isinstance(self.options, TextOptions) else 1
        if not (self.pictures and self.options.balance):
            return Shuffled(self.num_train) if buckets == 1 else Bucketed(self._store("train").lengths, buckets, self.options.batch)
        labels = self._store("train").labels
        if labels is None:
            raise DataError(f"data.balance: {self.options.source} has no classes of whole pictures to balance; leave data.balance out")
        return Balanced(labels)

    def _epoch_seed(self, epoch: tf.Tensor) -> tf.Tensor:
        """Seed int64 `[2]` of an epoch's order; a batch never spans two epochs."""
        return tf.stack([tf.constant(self.seed, tf.int64), tf.reduce_max(epoch)])

    def _finish(self, batches: tf.data.Dataset, *, normalised: bool = False) -> tf.data.Dataset:
        """Normalises pictures that are not yet, in one fused pass by XLA, and reads ahead in a fixed order."""
        if self.pictures and not normalised:
            normalise = tf.function(self.preprocess.normalise, jit_compile=True)
            batches = batches.map(lambda batch: {**batch, PICTURE: normalise(batch[PICTURE])}, tf.data.AUTOTUNE)
        options = tf.data.Options()
        options.deterministic = True
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def _trimmed(batch: dict[str, tf.Tensor], longest: tf.Tensor) -> dict[str, tf.Tensor]:
    """A batch of one bucket with texts as long as the longest of the bucket; `longest` int32 `[N]` tells it by example."""
    return {**batch, "tokens": batch["tokens"][..., : tf.reduce_max(tf.gather(longest, batch["index"]))]}
