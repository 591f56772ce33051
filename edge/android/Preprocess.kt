/** From a picture of any size to the network's square, and back: kvision_edge/preprocess.py, quantization.py and scores.py. No Android in here. */
package kvision.edge

import kotlin.math.abs
import kotlin.math.exp
import kotlin.math.max
import kotlin.math.min
import kotlin.math.round
import kotlin.math.sqrt

/** Of more scores than this, the classes are found at a lower resolution. */
private const val MOST_VALUES = (1 shl 28).toFloat()

/** One input or output of the network, as the manifest has it; [scale] 0: not quantized. */
class Tensor(val name: String, val shape: List<Int>, val dtype: String, val scale: Float, val zeroPoint: Int) {
    private val lowest = if (dtype == "int8") -128f else 0f

    /** Real numbers as the file stores them in a byte: rounded (half to even) and clipped. */
    fun stored(values: FloatArray): ByteArray =
        ByteArray(values.size) { (round(values[it] / scale) + zeroPoint.toFloat()).coerceIn(lowest, lowest + 255f).toInt().toByte() }

    /** Real numbers of what the file stores in bytes. */
    fun real(stored: ByteArray): FloatArray {
        val signed = dtype == "int8"
        return FloatArray(stored.size) { ((if (signed) stored[it].toInt() else stored[it].toInt() and 0xFF).toFloat() - zeroPoint.toFloat()) * scale }
    }
}

/** Where a picture lies in the square: scaled to [height] x [width], its corner at [top], [left] (negative: cut off). */
data class Placement(val height: Int, val width: Int, val top: Int, val left: Int)

/** Brings pictures to a square of [sizePx]; [fit]: `resize` (the whole picture, padded evenly) or `crop` (from its centre); [mean], [std] of RGB. */
class Preprocess(val sizePx: Int, val fit: String, private val mean: DoubleArray, private val std: DoubleArray) {
    private val padding = FloatArray(3) { round(255 * mean[it]).toFloat() }

    init {
        require(fit == "resize" || fit == "crop") { "preprocess.fit is '$fit'; this class knows resize and crop" }
        require(sizePx > 0 && std.all { it > 0 }) { "preprocess: size_px or std do not hold together; export the bundle again" }
    }

    fun placement(height: Int, width: Int): Placement {
        val longest = max(height, width).toLong()
        fun scaled(side: Int) = if (fit == "crop") side else max(1L, (2L * side * sizePx + longest) / (2 * longest)).toInt()
        return Placement(scaled(height), scaled(width), (sizePx - scaled(height)).floorDiv(2), (sizePx - scaled(width)).floorDiv(2))
    }

    /** The picture in the square: levels 0-255, `[sizePx * sizePx * 3]`, padded with the mean colour. */
    fun place(image: Rows): IntArray {
        val where = placement(image.height, image.width)
        val scaled = if (fit == "resize") antialiased(image, where.height, where.width) else image
        val square = IntArray(sizePx * sizePx * 3) { padding[it % 3].toInt() }
        for (y in max(where.top, 0) until min(where.top + where.height, sizePx)) {
            val row = scaled.row(y - where.top)
            for (x in max(where.left, 0) until min(where.left + where.width, sizePx)) for (c in 0 until 3) {
                // As the graph does it: taking the padding off and putting it back rounds, and may decide between two levels.
                val value = (row[(x - where.left) * 3 + c] - padding[c]) + padding[c]
                square[(y * sizePx + x) * 3 + c] = round(value).coerceIn(0f, 255f).toInt()
            }
        }
        return square
    }

    /** Levels normalised: `(x / 255 - mean) / std`. */
    fun normalised(square: IntArray): FloatArray {
        val scale = FloatArray(3) { (1 / (255 * std[it])).toFloat() }
        val shift = FloatArray(3) { (-mean[it] / std[it]).toFloat() }
        return FloatArray(square.size) { square[it].toFloat() * scale[it % 3] + shift[it % 3] }
    }

    /** The greatest of the K [scores] `[sizePx, sizePx, K]` of each pixel of a picture of [height] x [width], one byte each. */
    fun restoreClasses(scores: Scores, height: Int, width: Int): ByteArray {
        require(fit == "resize") { "a segmentation bundle with preprocess.fit crop is run in tiles, which only kvision-edge does" }
        val shrink = sqrt(min(1f, MOST_VALUES / (height.toFloat() * width.toFloat() * scores.channels.toFloat())))
        val rows = max(1, (height.toFloat() * shrink).toInt())
        val columns = max(1, (width.toFloat() * shrink).toInt())
        val found = insideClasses(scores, rows, columns)
        return if (rows == height && columns == width) found else nearest(found, rows, columns, height, width)
    }

    private fun insideClasses(scores: Scores, height: Int, width: Int): ByteArray {
        val where = placement(height, width)
        val part = Scores(where.height, where.width, scores.channels)
        for (y in 0 until where.height) {
            val from = ((where.top + y) * scores.width + where.left) * scores.channels
            scores.values.copyInto(part.values, y * where.width * scores.channels, from, from + where.width * scores.channels)
        }
        if (height >= where.height && width >= where.width) return grownClasses(part, height, width)
        return ByteArray(height * width).also { greatest(antialiased(part, height, width).values, scores.channels, it, 0) }
    }
}

/** Probabilities of what the network gives, for each [channels] values: `softmax`, `sigmoid`, or `none`. */
fun activated(values: FloatArray, channels: Int, activation: String): FloatArray = when (activation) {
    "none" -> values
    "sigmoid" -> FloatArray(values.size) { exp(-abs(values[it])).let { small -> if (values[it] >= 0) 1 / (1 + small) else small / (1 + small) } }
    "softmax" -> values.copyOf().also { for (start in it.indices step channels) softmax(it, start, channels) }
    else -> throw IllegalArgumentException("decode.activation is '$activation'; this class knows softmax, sigmoid, none")
}

private fun softmax(values: FloatArray, start: Int, count: Int) {
    var highest = values[start]
    for (i in start until start + count) highest = max(highest, values[i])
    var total = 0f
    for (i in start until start + count) {
        values[i] = exp(values[i] - highest)
        total += values[i]
    }
    for (i in start until start + count) values[i] /= total
}

/** Numbers of the greatest values, best first; the first of equals first. */
fun topK(probabilities: FloatArray, count: Int): List<Int> = probabilities.indices.sortedByDescending { probabilities[it] }.take(count)
