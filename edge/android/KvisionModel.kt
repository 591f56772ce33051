/** A bundle of `kvision export` on Android, with LiteRT's CompiledModel. */
package kvision.edge

import android.content.Context
import android.graphics.Bitmap
import android.graphics.ImageDecoder
import com.google.ai.edge.litert.CompiledModel
import java.io.File
import java.io.InputStream
import java.security.MessageDigest
import org.json.JSONArray
import org.json.JSONObject

/** What a model says of a picture. */
sealed interface Answer

/** The class of every pixel: [classes] `[height * width]`, one byte each; [shares] of the classes that occur, 0-1. */
class Segmentation(
    val height: Int,
    val width: Int,
    val classes: ByteArray,
    val shares: Map<String, Double>,
    private val colours: IntArray,
) : Answer {
    /** The classes' colours, of the picture's size. */
    fun mask(): Bitmap {
        val pixels = IntArray(classes.size) { colours[classes[it].toInt() and 0xFF] }
        return Bitmap.createBitmap(pixels, width, height, Bitmap.Config.ARGB_8888)
    }
}

/** The most probable classes, best first. */
class Classification(val classes: List<Int>, val labels: List<String>, val probabilities: List<Float>) : Answer

/**
 * A bundle, opened: the file that is run is compared with its sha256 first. Not for several threads at once.
 *
 * Knows the tasks `segmentation` and `classification` with float32, int8 and uint8 edges: LiteRT's Kotlin API reads no int16.
 */
class KvisionModel private constructor(read: (String) -> InputStream, open: (String) -> CompiledModel, format: String) : AutoCloseable {
    private val manifest = JSONObject(read("manifest.json").use { it.readBytes().decodeToString() })
    private val task = manifest.getString("task")
    private val decode = manifest.getJSONObject("decode")
    private val colours = each(manifest.getJSONArray("colours")) { getJSONArray(it).run { argb(getInt(0), getInt(1), getInt(2)) } }
    private val signature: String
    private val input: Tensor
    private val outputs: List<Tensor>
    private val preprocess: Preprocess
    private val model: CompiledModel

    /** Names of the classes. */
    val labels: List<String> = each(manifest.getJSONArray("labels")) { getString(it) }

    init {
        val schema = manifest.getInt("schema")
        require(schema == 1) { "manifest.json has schema $schema, this class reads 1; take the newer one" }
        require(task == "segmentation" || task == "classification") { "the bundle's task is $task; this class knows segmentation and classification" }
        val files = each(manifest.getJSONArray("files")) { getJSONObject(it) }.filter { it.getString("path").endsWith(".tflite") }
        val formats = files.map { it.getString("format") }
        val place = formats.indexOfFirst { format in listOf("", it, it.removePrefix("tflite-")) }
        require(place >= 0) { "the bundle has no $format; it holds ${formats.joinToString()}" }
        val file = files[place]
        val path = file.getString("path")
        require(!path.startsWith("/") && ".." !in path.split("/")) {
            "the manifest names '$path', which is not in the bundle; do not use this bundle"
        }
        require(sha256(read(path)) == file.getString("sha256")) { "$path is not the file that was exported; copy it again" }
        val signatures = file.getJSONObject("signatures")
        signature = signatures.keys().next() // Android keeps their order
        input = tensors(signatures.getJSONObject(signature).getJSONObject("inputs")).single()
        outputs = tensors(signatures.getJSONObject(signature).getJSONObject("outputs"))
        preprocess = manifest.getJSONObject("preprocess").run {
            val (mean, std) = listOf("mean", "std").map { name -> each(getJSONArray(name)) { getDouble(it) }.toDoubleArray() }
            Preprocess(getInt("size_px"), getString("fit"), mean, std)
        }
        model = open(path)
    }

    /** The answer for a picture, which must be upright: see [upright]. */
    fun predict(picture: Bitmap): Answer {
        val taken = model.createInputBuffer(input.name, signature)
        val given = outputs.associate { it.name to model.createOutputBuffer(it.name, signature) }
        try {
            val values = preprocess.normalised(preprocess.place(BitmapRows(picture)))
            if (input.scale == 0f) taken.writeFloat(values) else taken.writeInt8(input.stored(values))
            model.run(mapOf(input.name to taken), given, signature)
            val output = outputs.firstOrNull { it.name == decode.optString("output") } ?: outputs.single()
            val buffer = given.getValue(output.name)
            return answer(output, if (output.scale == 0f) buffer.readFloat() else output.real(buffer.readInt8()), picture)
        } finally {
            (given.values + taken).forEach { it.close() }
        }
    }

    override fun close() = model.close()

    private fun answer(output: Tensor, values: FloatArray, picture: Bitmap): Answer {
        val activation = decode.optString("activation", "softmax")
        val channels = output.shape.last()
        if (task == "classification") {
            val probabilities = activated(values, channels, activation)
            val best = topK(probabilities, decode.optInt("top_k", 5))
            return Classification(best, best.map { labels.getOrElse(it) { number -> "class $number" } }, best.map { probabilities[it] })
        }
        val side = preprocess.sizePx
        require(output.shape.drop(1) == listOf(side, side, labels.size) && colours.size == labels.size) {
            "the network gives ${output.shape} for ${labels.size} classes, ${colours.size} colours and a square of $side px; export the bundle again"
        }
        val same = picture.height == side && picture.width == side // then the greatest logit is as good
        val scores = Scores(side, side, channels, if (same) values else activated(values, channels, activation))
        val classes = preprocess.restoreClasses(scores, picture.height, picture.width)
        val counts = IntArray(256).also { for (each in classes) it[each.toInt() and 0xFF]++ }
        val shares = labels.indices.filter { counts[it] > 0 }.associate { labels[it] to counts[it].toDouble() / classes.size }
        return Segmentation(picture.height, picture.width, classes, shares, colours.toIntArray())
    }

    companion object {
        /** Opens a bundle's [folder]; [format] such as `int8-full`, "" the bundle's first. */
        fun fromFolder(folder: File, format: String = "", options: CompiledModel.Options = CompiledModel.Options.CPU) =
            KvisionModel({ File(folder, it).inputStream() }, { CompiledModel.create(File(folder, it).path, options) }, format)

        /** Opens a bundle in the app's assets, at the path [folder]. */
        fun fromAssets(context: Context, folder: String, format: String = "", options: CompiledModel.Options = CompiledModel.Options.CPU) =
            KvisionModel({ context.assets.open("$folder/$it") }, { CompiledModel.create(context.assets, "$folder/$it", options) }, format)

        /** Decodes a picture, turned by its EXIF orientation, so that [predict] can read its pixels. */
        fun upright(source: ImageDecoder.Source): Bitmap = ImageDecoder.decodeBitmap(source) { decoder, _, _ ->
            decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
            decoder.isUnpremultipliedRequired = true // transparency is dropped, as in training
        }

        private fun argb(red: Int, green: Int, blue: Int) = (0xFF shl 24) or (red shl 16) or (green shl 8) or blue

        private fun <T> each(list: JSONArray, get: JSONArray.(Int) -> T): List<T> = List(list.length()) { list.get(it) }

        private fun tensors(side: JSONObject): List<Tensor> = side.keys().asSequence().toList().map { name ->
            val tensor = side.getJSONObject(name)
            val shape = each(tensor.getJSONArray("shape")) { getInt(it) }
            val dtype = tensor.getString("dtype")
            val scale = tensor.getJSONArray("scale")
            require(if (dtype == "float32") scale.length() == 0 else dtype in listOf("int8", "uint8") && scale.length() == 1) {
                "$name is $dtype with ${scale.length()} scales; float32, int8 and uint8 with one are known: choose another format of the bundle"
            }
            if (scale.length() == 0) Tensor(name, shape, dtype, 0f, 0)
            else Tensor(name, shape, dtype, scale.getDouble(0).toFloat(), tensor.getJSONArray("zero_point").getInt(0))
        }

        private fun sha256(stream: InputStream): String = stream.use {
            val whole = MessageDigest.getInstance("SHA-256")
            val block = ByteArray(1 shl 16)
            while (true) whole.update(block, 0, it.read(block).takeIf { count -> count > 0 } ?: break)
            whole.digest().joinToString("") { byte -> "%02x".format(byte) }
        }
    }
}

/** A bitmap's RGB, row by row. */
private class BitmapRows(private val bitmap: Bitmap) : Rows {
    private val pixels = IntArray(bitmap.width)
    override val height get() = bitmap.height
    override val width get() = bitmap.width
    override val channels get() = 3

    override fun row(y: Int): FloatArray {
        bitmap.getPixels(pixels, 0, width, 0, y, width, 1)
        return FloatArray(width * 3) { (pixels[it / 3] shr (16 - 8 * (it % 3)) and 0xFF).toFloat() }
    }
}
