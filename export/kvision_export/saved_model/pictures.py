"""From pictures to answers, in the graph: decoding, preprocessing, the network, and what the system makes of its outputs.

Each picture has an `ok` of its own: a bad one gets an empty answer and spoils nobody else's.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvision.data import encoded
from kvision.data.preprocess import Whole
from kvision.engine import dense
from kvision_export.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kvision.data.preprocess import Preprocess
    from kvision.engine.system import System

    Answer = dict[str, tf.Tensor]
    Read = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    """From a number in the batch to its picture uint8 `[H, W, 3]` and whether it is one."""

_AT_ONCE = 4
"""Pictures decoded at once: as many may lie in memory at their full size."""


class Pictures:
    """Answers for batches of pictures; to be called in a graph.

    With `data.fit=resize`, and for systems that say one thing of a whole picture, pictures are brought into the square and go through the network
    as one batch. A dense system with `data.fit=crop` sees each picture whole, as `kvision predict` does; those of more than `dense.WHOLE_PX`
    pixels, which `kvision predict` cuts into tiles, are refused (`ok` is false).

    Args:
        system: Its networks built; the first takes `image` alone.
        preprocess: From pictures to the network's input.

    Raises:
        ExportError: If the shapes of the system's answers depend on the picture.
        UsageError: If pictures keep their resolution and the network is bound to one size.
    """

    def __init__(self, system: System, preprocess: Preprocess) -> None:
        self._preprocess = preprocess
        self._whole = sees_whole(system, preprocess)
        self._grain = dense.grain_px(system.net) if self._whole else 1
        self._system = dense.resized(system, None, None) if self._whole else system
        self._layout = Whole(**dataclasses.asdict(preprocess)) if self._whole else preprocess
        self._spec = self._answer_spec()

    def encoded(self, contents: tf.Tensor) -> Answer:
        """Answers for the files' bytes, string `[B]`: `ok` bool `[B]`, and what `System.answer` gives of each."""
        return self._answers(lambda number: encoded.attempt(contents[number]), tf.shape(contents)[0])

    def images(self, images: tf.Tensor) -> Answer:
        """Answers for decoded pictures uint8 `[B, H, W, 3]`; without a pixel they are not ok."""

        def read(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return _kept(images[number], tf.size(images) > 0)

        return self._answers(read, tf.shape(images)[0])

    def _answers(self, read: Read, count: tf.Tensor) -> Answer:
        if self._whole:
            return tf.map_fn(lambda number: self._seen_whole(*read(number)), tf.range(count), fn_output_signature=self._spec, parallel_iterations=1)
        squares, sizes, oks = self._squares(read, count)
        outputs = fed(lambda fields: self._system.predict_step(self._preprocess.normalise(fields["image"])), {"image": squares})

        def answer(number: tf.Tensor) -> Answer:
            return self._answer({name: value[number] for name, value in outputs.items()}, sizes[number], oks[number])

        return tf.map_fn(answer, tf.range(count), fn_output_signature=self._spec, parallel_iterations=_AT_ONCE)

    def _squares(self, read: Read, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Pictures in the square uint8 `[B, S, S, 3]`, their own sizes int32 `[B, 2]`, and which are pictures, `[B]`."""
        side = self._preprocess.size_px
        spec = tf.TensorSpec([side, side, 3], tf.uint8), tf.TensorSpec([2], tf.int32), tf.TensorSpec([], tf.bool)

        def place(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            image, ok = read(number)
            return self._preprocess.resize(image)[0], tf.shape(image)[:2], ok

        return tf.map_fn(place, tf.range(count), fn_output_signature=spec, parallel_iterations=_AT_ONCE)

    def _seen_whole(self, image: tf.Tensor, ok: tf.Tensor) -> Answer:
        image, ok = _kept(image, ok & (tf.size(image, tf.int64) <= 3 * dense.WHOLE_PX))
        size = tf.shape(image)[:2]
        beyond = -size % self._grain
        canvas = tf.pad(self._preprocess.normalise(image), [[0, beyond[0]], [0, beyond[1]], [0, 0]])
        output = self._system.predict_step(canvas[None])
        inside = {name: value[0, : size[0], : size[1]] if value.shape.rank > 2 else value[0] for name, value in output.items()}
        return self._answer(inside, size, ok)

    def _answer(self, output: Mapping[str, tf.Tensor], size: tf.Tensor, ok: tf.Tensor) -> Answer:
        found = self._system.answer(output, self._layout, size[0], size[1])
        return {"ok": ok, **{name: tf.where(ok, value, tf.zeros_like(value)) for name, value in found.items()}}

    def _answer_spec(self) -> dict[str, tf.TensorSpec]:
        """Shapes and dtypes of one picture's answer, which an empty batch has too."""
        side = self._preprocess.size_px
        specs = tf.TensorSpec([1, side, side, 3], tf.float32), tf.TensorSpec([2], tf.int32), tf.TensorSpec([], tf.bool)

        def one(normalised: tf.Tensor, size: tf.Tensor, ok: tf.Tensor) -> Answer:
            return self._answer({name: value[0] for name, value in self._system.predict_step(normalised).items()}, size, ok)

        found = tf.function(one).get_concrete_function(*specs).structured_outputs
        for name, value in found.items():
            if not value.shape.is_fully_defined():
                raise ExportError(
                    f"{self._system.recipe.system}: the shape of the answer's `{name}` is {value.shape}, and answers are stacked; "
                    "give it a shape that does not depend on the picture, or encode it as bytes"
                )
        return {name: tf.TensorSpec(value.shape, value.dtype) for name, value in found.items()}


def sees_whole(system: System, preprocess: Preprocess) -> bool:
    """Whether pictures go through the network at their own size."""
    return system.dense and preprocess.fit == "crop"


def fed(function: Callable[[Mapping[str, tf.Tensor]], Mapping[str, Any]], inputs: Mapping[str, tf.Tensor]) -> Answer:
    """Calls a network's function on a batch that may be empty, which convolutions can't take: they get one example of zeros instead.

    Args:
        function: From inputs to outputs, all with the batch in front.
        inputs: By name.

    Returns:
        The outputs for the batch given.
    """
    count = tf.shape(next(iter(inputs.values())))[0]

    def some(value: tf.Tensor) -> tf.Tensor:
        shape = tf.concat([[1], tf.shape(value)[1:]], 0)
        return tf.ensure_shape(tf.cond(count > 0, lambda: value, lambda: tf.zeros(shape, value.dtype)), value.shape)

    return {name: value[:count] for name, value in function({name: some(value) for name, value in inputs.items()}).items()}


def _kept(image: tf.Tensor, ok: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The picture, or a black pixel in its place."""
    found = tf.cond(ok, lambda: image, lambda: tf.zeros([1, 1, 3], tf.uint8))
    return tf.ensure_shape(found, [None, None, 3]), ok
