"""A split of an image folder, read in the graph, and the close look at its files that `data check` and the start of a run take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvision.data import encoded, files, host
from kvision.data.examined import Examined, decoded, digest
from kvision.data.faults import Fault
from kvision.data.masks import ONE_LINE_FIX, OUTSIDE, Layout, ghosts, judge
from kvision.ops import exif

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kvision.data.pairs import Entry
    from kvision.data.sources.image_masks import ImageMasks


class FolderSplit:
    """Pairs of an image folder, read one at a time in the graph."""

    remotable = True

    def __init__(self, source: ImageMasks, entries: Sequence[Entry]) -> None:
        self.names: Sequence[str] = [entry.pair.name for entry in entries]
        self._entries = entries
        self._codec = source.codec
        self._accepted = source.accepted()
        self._upright = source.options.exif == "apply" and any(entry.image.orientation > 1 for entry in entries)
        self._tensors: dict[str, tf.Tensor] = {}

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        """Example number `index` (scalar int64): `image` uint8 `[H, W, 3]`, `mask` uint8 `[H, W]`; fails on a mask value of no class."""
        example = {}
        if "image" in fields:
            image = encoded.stored(tf.io.read_file(self._column("image", index)))
            example["image"] = exif.upright(image, self._column("orientation", index)) if self._upright else image
        if "mask" in fields:
            layout = Layout(self._column("prefix", index), self._column("start", index), self._column("step", index))
            mask = self._codec.classes(self._codec.samples(tf.io.read_file(self._column("mask", index)), layout))
            words = [self._column("mask", index), f"holds values outside the classes; accepted: {self._accepted}; see `kvision data check`"]
            with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(mask != OUTSIDE), words)]):
                example["mask"] = tf.ensure_shape(tf.identity(mask), [None, None])
        return example

    def _column(self, name: str, index: tf.Tensor) -> tf.Tensor:
        """One fact of one entry; those of all of them are made once."""
        if name not in self._tensors:
            layouts = [self._codec.layout(entry.mask) for entry in self._entries]
            columns = {
                "image": [str(entry.pair.image) for entry in self._entries],
                "mask": [str(entry.pair.mask) for entry in self._entries],
                "orientation": [entry.image.orientation for entry in self._entries],
                "prefix": [layout.prefix for layout in layouts],
                "start": [layout.start for layout in layouts],
                "step": [layout.step for layout in layouts],
            }
            self._tensors = {key: host.tensor(values) for key, values in columns.items()}
        return tf.gather(self._tensors[name], index)


def examine(source: ImageMasks, entries: Iterable[Entry], *, images: bool = False) -> Iterable[Examined]:
    """Decodes masks, and images if asked to, with the decoders that training uses.

    Args:
        source: The data set.
        entries: Which pairs.
        images: Whether to decode the images too.

    Yields:
        What was found, in order.
    """
    accepted = source.accepted()
    source.codec  # noqa: B018 - made here, not by many threads at once

    def look(entry: Entry) -> Examined:
        found = Examined(entry.pair.name, entry.pair.mask_name)
        _look_at_mask(source, entry, found, accepted)
        if images:
            image = decoded(encoded.stored, entry.pair.image, entry.image.type, entry.pair.name, found)
            found.digest = None if image is None else digest(image)
        return found

    yield from files.in_threads(look, entries)


def _look_at_mask(source: ImageMasks, entry: Entry, found: Examined, accepted: str) -> None:
    codec, name = source.codec, entry.pair.mask_name
    if entry.mask.colour in {2, 6} and not codec.in_colour:
        colours = decoded(lambda data: tf.io.decode_png(data, channels=3), entry.pair.mask, "PNG", name, found)
        if colours is None:
            return
        if (colours != colours[..., :1]).any():
            distinct = np.unique(colours.reshape(-1, 3), axis=0)
            some = ", ".join(str(colour.tolist()) for colour in distinct[:6])
            found.faults.append(Fault("mask-in-colour", (name,), f"the mask is in RGB and holds {len(distinct)} colours, such as {some}"))
            return
    samples = decoded(lambda data: codec.samples(data, codec.layout(entry.mask)), entry.pair.mask, "PNG", name, found)
    if samples is None:
        return
    classes = codec.classes(tf.constant(samples)).numpy()
    found.counts = np.bincount(classes.ravel(), minlength=256)
    if samples.ndim == 2:
        found.values = frozenset(np.unique(samples).tolist())
        found.seams = ghosts(classes)
    if fault := judge(samples, classes, accepted):
        found.faults.append(Fault(fault.kind, (name,), fault.message))


def systematic(source: ImageMasks, examined: Sequence[Examined]) -> list[Fault]:
    """Masks that hold 0 and 255 only, where 255 would be taken for pixels that are not counted and nothing would be learned.

    Args:
        source: The data set.
        examined: What its masks hold.

    Returns:
        A fault for each such mask that has none already, if all of them are like that.
    """
    options = source.options
    values = frozenset[int]().union(*(one.values for one in examined))
    if options.mask_values is not None or options.colours is not None or values != {0, 255}:
        return []
    words = f"it holds 0 and 255; accepted: {source.accepted()}; with `{ONE_LINE_FIX}` 255 is class 1"
    return [Fault("mask-0-255", (one.mask_name,), words) for one in examined if 255 in one.values and not one.faults]
