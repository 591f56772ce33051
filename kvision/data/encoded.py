"""Encoded pictures decoded in the graph: the one definition for training, prediction and serving, so that all of them see the same pixels.

JPEG is decoded with the accurate inverse transform, which gives Pillow's very pixels; TensorFlow's default differs by up to 18 of 255.
"""

from __future__ import annotations

import tensorflow as tf

from kvision.ops import exif, octets

MOST_PX = 100_000_000
"""Pictures that claim more pixels are taken for decompression bombs and not decoded."""
_BMP_COLOURS = 256


def stored(data: tf.Tensor) -> tf.Tensor:
    """The RGB image in the bytes of a JPEG, PNG, BMP, GIF (its first frame) or WebP file, as it is stored; transparency is dropped.

    Args:
        data: String scalar.

    Returns:
        uint8 `[H, W, 3]`; the op fails on bytes that are none of these, or damaged.
    """
    head = octets.read(data, 0, 2)
    readers = [
        (octets.begins(head, b"\xff\xd8"), lambda: tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")),
        (octets.begins(head, b"BM"), lambda: _bmp(data)),
    ]
    image = tf.case(readers, default=lambda: tf.io.decode_image(data, channels=3, expand_animations=False))
    return tf.ensure_shape(image, [None, None, 3])


def upright(data: tf.Tensor) -> tf.Tensor:
    """As `stored`, turned as EXIF says; the op also fails, before it decodes, on pictures of more than `MOST_PX` pixels."""
    pixels = claimed_px(data)
    with tf.control_dependencies([tf.debugging.Assert(pixels <= MOST_PX, ["the picture claims too many pixels:", pixels])]):
        return exif.upright(stored(tf.identity(data)), exif.orientation(data))


def attempt(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """As `upright`, but nothing fails.

    A dataset of one element is the only thing in a graph that survives the failure of an op; it costs 0.1 to 0.3 ms.

    Args:
        data: String scalar, any bytes.

    Returns:
        The image uint8 `[H, W, 3]`, a single black pixel where there is none; and whether there is one, bool scalar.
    """
    found = tf.data.Dataset.from_tensors(data).map(lambda each: (upright(each), True)).ignore_errors()
    nothing = tf.data.Dataset.from_tensors((tf.zeros([1, 1, 3], tf.uint8), False))
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    image, ok = found.concatenate(nothing).take(1).with_options(options).get_single_element()
    return image, ok


def claimed_px(data: tf.Tensor) -> tf.Tensor:
    """Width times height as a file's head states them: int64 scalar, 0 where it is of no known type; the op may fail on a damaged JPEG."""
    head = octets.read(data, 0, 32)

    def product(width: tf.Tensor, height: tf.Tensor, *, little: bool) -> tf.Tensor:
        return octets.number(width, little=little) * octets.number(height, little=little)

    def bmp() -> tf.Tensor:
        width, height = (tf.bitcast(tf.cast(octets.number(head[at : at + 4], little=True), tf.uint32), tf.int32) for at in (18, 22))
        return tf.abs(tf.cast(width, tf.int64)) * tf.abs(tf.cast(height, tf.int64))

    known = [
        (octets.begins(head, b"\xff\xd8"), lambda: tf.reduce_prod(tf.io.extract_jpeg_shape(data, tf.int64)[:2])),
        (octets.begins(head, b"\x89PNG"), lambda: product(head[16:20], head[20:24], little=False)),
        (octets.begins(head, b"GIF8"), lambda: product(head[6:8], head[8:10], little=True)),
        (octets.begins(head, b"BM"), bmp),
        (octets.begins(head, b"RIFF"), lambda: _webp_px(head)),
    ]
    return tf.case(known, default=lambda: tf.constant(0, tf.int64))


def _webp_px(head: tf.Tensor) -> tf.Tensor:
    """Of the three kinds of a WebP's first chunk: extended, lossless, lossy."""
    packed = octets.number(head[21:25], little=True)
    lossless = (packed % 2**14 + 1) * (packed // 2**14 % 2**14 + 1)
    extended = (octets.number(head[24:27], little=True) + 1) * (octets.number(head[27:30], little=True) + 1)
    lossy = (octets.number(head[26:28], little=True) % 2**14) * (octets.number(head[28:30], little=True) % 2**14)
    return tf.where(octets.begins(head[12:], b"VP8X"), extended, tf.where(octets.begins(head[12:], b"VP8L"), lossless, lossy))


def _bmp(data: tf.Tensor) -> tf.Tensor:
    """A plain BMP of 24 or 32 bits, or of 8 with its colour table, which TensorFlow would take for greys."""
    head = octets.read(data, 0, 64)
    size, bits, compression = (octets.number(head[at : at + n], little=True) for at, n in ((14, 4), (28, 2), (30, 4)))
    plain = (size >= 40) & (compression == 0) & ((bits == 8) | (bits == 24) | (bits == 32))

    def indexed() -> tf.Tensor:
        table = octets.read(data, 14 + tf.cast(tf.minimum(size, 256), tf.int32), 4 * _BMP_COLOURS)
        colours = tf.cast(tf.reverse(tf.reshape(table, [_BMP_COLOURS, 4])[:, :3], [1]), tf.uint8)
        return tf.gather(colours, tf.cast(tf.io.decode_bmp(data, channels=0)[..., 0], tf.int32))

    with tf.control_dependencies([tf.debugging.Assert(plain, ["a BMP with", bits, "bits a pixel, compression", compression])]):
        return tf.cond(bits == 8, indexed, lambda: tf.io.decode_bmp(data, channels=0)[..., :3])
