/** `tf.image.resize`, to the last bit: kvision_edge/resize.py, whose names and order of float sums these are. No Android in here. */
package kvision.edge

import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min

/** Values `[height, width, channels]`, given row by row, so that a large picture is never copied whole. */
interface Rows {
    val height: Int
    val width: Int
    val channels: Int

    /** Row [y] as floats `[width * channels]`; it may be overwritten by the next call. */
    fun row(y: Int): FloatArray
}

/** Floats `[height, width, channels]`, row after row. */
class Scores(override val height: Int, override val width: Int, override val channels: Int, val values: FloatArray) : Rows {
    constructor(height: Int, width: Int, channels: Int) : this(height, width, channels, FloatArray(height * width * channels))

    override fun row(y: Int): FloatArray = values.copyOfRange(y * width * channels, (y + 1) * width * channels)
}

/** Which input pixels make each antialiased output pixel: the [first] of them, and the [weights] `[wanted, taps]` of it and of those that follow. */
class Spans(val taps: Int, val first: IntArray, val weights: FloatArray)

fun spans(size: Int, wanted: Int): Spans {
    val step = 1f / (wanted.toFloat() / size.toFloat())
    val width = max(step, 1f)
    val taps = min(2 * ceil(width).toInt() + 1, size)
    val found = Spans(taps, IntArray(wanted), FloatArray(wanted * taps))
    for (m in 0 until wanted) {
        val centre = (m.toFloat() + 0.5f) * step
        val first = ceil(centre - width - 0.5f).toInt().coerceIn(0, size - 1)
        val last = floor(centre + width - 0.5f).toInt().coerceIn(0, size - 1)
        var total = 0f
        for (tap in 0 until taps) {
            val distance = abs(((first + tap).toFloat() + 0.5f - centre) * (1f / width))
            val weight = if (first + tap <= last && distance < 1f) 1f - distance else 0f
            found.weights[m * taps + tap] = weight
            total += weight
        }
        for (tap in 0 until taps) found.weights[m * taps + tap] *= 1f / total
        found.first[m] = first
    }
    return found
}

/** Between which input pixels each interpolated output pixel lies, and its [share] of the way between them. */
class Between(val before: IntArray, val behind: IntArray, val share: FloatArray)

fun between(size: Int, wanted: Int): Between {
    val found = Between(IntArray(wanted), IntArray(wanted), FloatArray(wanted))
    for (m in 0 until wanted) {
        val place = (m.toFloat() + 0.5f) * (size.toFloat() / wanted.toFloat()) - 0.5f
        val before = floor(place)
        found.before[m] = max(before.toInt(), 0)
        found.behind[m] = min(ceil(place).toInt(), size - 1)
        found.share[m] = place - before
    }
    return found
}

/** `tf.image.resize(..., antialias=True)`: a triangle whose half width is one output pixel, or one input pixel where the picture grows. */
fun antialiased(picture: Rows, height: Int, width: Int): Scores {
    val channels = picture.channels
    val down = spans(picture.height, height)
    val across = spans(picture.width, width)
    val out = Scores(height, width, channels)
    for (y in 0 until height) {
        val row = if (picture.height == height) picture.row(y) else mixedRow(picture, down, y)
        if (picture.width == width) row.copyInto(out.values, y * width * channels) else filtered(row, picture.width, across, out, y)
    }
    return out
}

private fun mixedRow(picture: Rows, down: Spans, y: Int): FloatArray {
    val sum = FloatArray(picture.width * picture.channels)
    for (tap in 0 until down.taps) {
        val weight = down.weights[y * down.taps + tap]
        if (weight == 0f) continue
        val from = picture.row(min(down.first[y] + tap, picture.height - 1))
        for (i in sum.indices) sum[i] += weight * from[i]
    }
    return sum
}

private fun filtered(row: FloatArray, size: Int, across: Spans, out: Scores, y: Int) {
    for (x in 0 until out.width) for (tap in 0 until across.taps) {
        val weight = across.weights[x * across.taps + tap]
        val from = min(across.first[x] + tap, size - 1) * out.channels
        val to = (y * out.width + x) * out.channels
        if (weight != 0f) for (c in 0 until out.channels) out.values[to + c] += weight * row[from + c]
    }
}

/** Number of the greatest of each [channels] values, one byte each; the first of equals. */
fun greatest(values: FloatArray, channels: Int, into: ByteArray, start: Int) {
    for (i in 0 until values.size / channels) {
        var best = 0
        for (k in 1 until channels) if (values[i * channels + k] > values[i * channels + best]) best = k
        into[start + i] = best.toByte()
    }
}

/** The greatest of K scores of each pixel after `tf.image.resize(...)` to a larger size, without ever holding all the scores of the large picture. */
fun grownClasses(scores: Scores, height: Int, width: Int): ByteArray {
    val found = ByteArray(height * width)
    if (scores.height == height && scores.width == width) return found.also { greatest(scores.values, scores.channels, it, 0) }
    val channels = scores.channels
    val across = between(scores.width, width)
    val down = between(scores.height, height)
    val wide = Scores(scores.height, width, channels)
    for (y in 0 until scores.height) for (x in 0 until width) for (k in 0 until channels) {
        val low = scores.values[(y * scores.width + across.before[x]) * channels + k]
        val high = scores.values[(y * scores.width + across.behind[x]) * channels + k]
        wide.values[(y * width + x) * channels + k] = (high - low) * across.share[x] + low
    }
    val row = FloatArray(width * channels)
    for (y in 0 until height) {
        val before = down.before[y] * row.size
        val behind = down.behind[y] * row.size
        for (i in row.indices) row[i] = (wide.values[behind + i] - wide.values[before + i]) * down.share[y] + wide.values[before + i]
        greatest(row, channels, found, y * width)
    }
    return found
}

/** `tf.image.resize(..., "nearest")` of one byte a pixel. */
fun nearest(classes: ByteArray, height: Int, width: Int, wantedHeight: Int, wantedWidth: Int): ByteArray {
    val rows = IntArray(wantedHeight) { nearest(it, height, wantedHeight) }
    val columns = IntArray(wantedWidth) { nearest(it, width, wantedWidth) }
    return ByteArray(wantedHeight * wantedWidth) { classes[rows[it / wantedWidth] * width + columns[it % wantedWidth]] }
}

private fun nearest(place: Int, size: Int, wanted: Int): Int {
    val centre = (place.toFloat() + 0.5f) * (size.toFloat() / wanted.toFloat())
    return min(floor(centre).toInt(), size - 1)
}
