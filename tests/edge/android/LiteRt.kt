/** As much of LiteRT 2.3's Kotlin API as KvisionModel.kt uses; "running" a model means to note its input and to give outputs that Python recorded. */
package com.google.ai.edge.litert

import android.content.res.AssetManager
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Beginning of the paths of the files of the run to come. */
var recorded = ""

enum class Accelerator { NONE, CPU, GPU, NPU }

class TensorBuffer(var content: ByteArray = ByteArray(0)) : AutoCloseable {
    private fun buffer(bytes: ByteArray) = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)

    fun writeFloat(data: FloatArray) {
        content = ByteArray(data.size * 4).also { buffer(it).asFloatBuffer().put(data) }
    }

    fun writeInt8(data: ByteArray) {
        content = data
    }

    fun readFloat(): FloatArray = FloatArray(content.size / 4).also { buffer(content).asFloatBuffer().get(it) }

    fun readInt8(): ByteArray = content

    override fun close() = Unit
}

class Environment

class CompiledModel private constructor() : AutoCloseable {
    class Options(vararg val accelerators: Accelerator) {
        companion object {
            val CPU = Options(Accelerator.CPU)
        }
    }

    fun createInputBuffer(inputName: String, signature: String = ""): TensorBuffer = TensorBuffer("$inputName $signature".toByteArray())

    fun createOutputBuffer(outputName: String, signature: String = ""): TensorBuffer = TensorBuffer("$outputName $signature".toByteArray())

    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String = "") {
        for ((name, buffer) in inputs) File("$recorded.$signature.$name.taken").writeBytes(buffer.content)
        for ((name, buffer) in outputs) buffer.content = File("$recorded.$signature.$name.given").readBytes()
    }

    override fun close() = Unit

    companion object {
        fun create(filePath: String, options: Options = Options.CPU, optionalEnv: Environment? = null): CompiledModel {
            check(File(filePath).isFile && options.accelerators.isNotEmpty() && optionalEnv == null)
            return CompiledModel()
        }

        fun create(assetManager: AssetManager, assetName: String, options: Options = Options.CPU, optionalEnv: Environment? = null): CompiledModel {
            assetManager.open(assetName).close()
            check(options.accelerators.isNotEmpty() && optionalEnv == null)
            return CompiledModel()
        }
    }
}
