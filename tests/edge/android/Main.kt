/** `MainKt BUNDLE FORMAT WORK COUNT ASSETS?`: predicts WORK/0.rgb ... and writes what it says beside them. */

import android.content.Context
import android.content.res.AssetManager
import android.graphics.Bitmap
import com.google.ai.edge.litert.recorded
import java.io.DataInputStream
import java.io.File
import kvision.edge.Classification
import kvision.edge.KvisionModel
import kvision.edge.Segmentation

fun main(arguments: Array<String>) {
    val (bundle, format, work, count, from) = arguments
    val folder = File(bundle)
    val open = { if (from == "assets") KvisionModel.fromAssets(Context(AssetManager(folder.parentFile)), folder.name, format) else KvisionModel.fromFolder(folder, format) }
    try {
        open().use { model -> repeat(count.toInt()) { predict(model, "$work/$it") } }
    } catch (error: IllegalArgumentException) {
        println(error.message)
    }
}

private fun predict(model: KvisionModel, path: String) {
    recorded = path
    val picture = DataInputStream(File("$path.rgb").inputStream().buffered()).use { stream ->
        val (height, width) = stream.readInt() to stream.readInt()
        val colours = IntArray(height * width) { (0xFF shl 24) or (stream.read() shl 16) or (stream.read() shl 8) or stream.read() }
        Bitmap.createBitmap(colours, width, height, Bitmap.Config.ARGB_8888)
    }
    when (val answer = model.predict(picture)) {
        is Segmentation -> {
            check(answer.height == picture.height && answer.width == picture.width && answer.mask().width == picture.width)
            File("$path.classes").writeBytes(answer.classes)
            File("$path.answer").writeText(answer.shares.entries.joinToString("\n") { "${it.key}\t${it.value}" })
        }
        is Classification ->
            File("$path.answer").writeText(answer.classes.indices.joinToString("\n") { "${answer.classes[it]}\t${answer.labels[it]}\t${answer.probabilities[it]}" })
    }
}
