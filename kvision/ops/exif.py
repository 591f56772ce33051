"""Which way up a picture is meant to be seen, in the graph: EXIF orientation out of the bytes of JPEG, PNG and WebP files.

References:
    EXIF 2.3, tag 0x0112; JPEG ITU T.81, annex B; PNG (W3C, 2003), section 5; RFC 9649 (WebP).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.ops import octets

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]
    """Of a segment's place and first 16 bytes: whether it holds EXIF data, where they begin, and where the next segment is (-1: there is none)."""

_TAG = 0x0112
_ENTRY_BYTES = 12
_MOST_ENTRIES = 1024
_NOWHERE = -1
_MIRRORED = (2, 3, 6, 7)
_FLIPPED = (3, 4, 7, 8)


def orientation(data: tf.Tensor) -> tf.Tensor:
    """EXIF orientation of an encoded picture.

    Args:
        data: The bytes of a file, string scalar.

    Returns:
        int32 scalar 1..8; 1 where the file does not tell, or what it tells is broken.
    """
    head = octets.read(data, 0, 16)
    webp = octets.begins(head, b"RIFF") & octets.begins(head[8:], b"WEBP")
    containers = [
        (octets.begins(head, b"\xff\xd8"), lambda: _walk(data, 2, _jpeg)),
        (octets.begins(head, b"\x89PNG"), lambda: _walk(data, 8, _png)),
        (webp, lambda: _walk(data, 12, _webp)),
    ]
    start = tf.case(containers, default=lambda: tf.constant(_NOWHERE))
    return tf.cond(start >= 0, lambda: _tiff(data, start), lambda: tf.constant(1))


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns an image as its EXIF orientation says.

    Args:
        image: `[H, W, 3]`.
        orientation: int32 scalar, 1..8.

    Returns:
        `[H, W, 3]`, or `[W, H, 3]` for orientations from 5 on.

    References:
        EXIF 2.3, tag 0x0112.
    """
    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    image = tf.cond(tf.reduce_any(orientation == _MIRRORED), lambda: tf.reverse(image, [1]), lambda: image)
    return tf.cond(tf.reduce_any(orientation == _FLIPPED), lambda: tf.reverse(image, [0]), lambda: image)


def _walk(data: tf.Tensor, at: int, step: Step) -> tf.Tensor:
    """Where the EXIF data begin, int32 scalar, or -1: from segment to segment until one holds them, or the file ends."""
    length = tf.strings.length(data)

    def body(at: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        found, where, following = step(at, octets.read(data, at, 16))
        # Damaged lengths may point anywhere; each step goes forward by a byte at least, so the walk ends.
        return tf.where(found | (following <= at), length, following), tf.where(found, where, start)

    return tf.while_loop(lambda at, start: at < length, body, (tf.constant(at), tf.constant(_NOWHERE)), parallel_iterations=1)[1]


def _jpeg(at: tf.Tensor, head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    marker, length = head[1], tf.cast(octets.number(head[2:4], little=False), tf.int32)
    found = (marker == 0xE1) & octets.begins(head[4:], b"Exif\0\0")
    alone = (marker == 0x01) | ((marker >= 0xD0) & (marker <= 0xD8))
    following = tf.where(marker == 0xFF, at + 1, tf.where(alone, at + 2, at + 2 + length))
    last = (head[0] != 0xFF) | (marker == 0xDA) | (marker == 0xD9)
    return found, at + 10, tf.where(last, _NOWHERE, following)


def _png(at: tf.Tensor, head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    following = _after(at, 12, octets.number(head[:4], little=False))
    return octets.begins(head[4:], b"eXIf"), at + 8, tf.where(octets.begins(head[4:], b"IDAT"), _NOWHERE, following)


def _webp(at: tf.Tensor, head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    length = octets.number(head[4:8], little=True)
    start = at + 8 + tf.where(octets.begins(head[8:], b"Exif\0\0"), 6, 0)
    return octets.begins(head, b"EXIF"), start, _after(at, 8, length + length % 2)


def _after(at: tf.Tensor, frame: int, length: tf.Tensor) -> tf.Tensor:
    """Where a chunk ends, int32; lengths beyond what a string can hold end the walk."""
    return tf.cast(tf.minimum(tf.cast(at, tf.int64) + frame + length, tf.int32.max), tf.int32)


def _tiff(data: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Orientation in the first directory of TIFF data that begin at `start`."""
    little = octets.begins(octets.read(data, start, 2), b"II")

    def number(at: tf.Tensor, count: int) -> tf.Tensor:
        return octets.number(tf.ensure_shape(octets.read(data, at, count), [count]), little=little)

    room = tf.cast(tf.strings.length(data), tf.int64)
    directory = start + tf.cast(tf.minimum(number(start + 4, 4), room), tf.int32)
    count = tf.cast(tf.clip_by_value(number(directory, 2), 1, _MOST_ENTRIES), tf.int32)
    entries = tf.reshape(octets.read(data, directory + 2, count * _ENTRY_BYTES), [-1, _ENTRY_BYTES])
    tags, values = octets.number(entries[:, :2], little=little), octets.number(entries[:, 8:10], little=little)
    first = tf.concat([tf.boolean_mask(values, tags == _TAG), [1]], 0)[0]
    return tf.cast(tf.where((first >= 1) & (first <= 8), first, 1), tf.int32)
