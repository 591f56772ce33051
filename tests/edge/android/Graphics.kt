/** As much of Android as KvisionModel.kt uses: bitmaps of plain integers, and no decoder. */
package android.graphics

class Bitmap private constructor(val width: Int, val height: Int, private val colours: IntArray) {
    enum class Config { ARGB_8888 }

    @Suppress("LongParameterList")
    fun getPixels(pixels: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int) {
        for (row in 0 until height) colours.copyInto(pixels, offset + row * stride, (y + row) * this.width + x, (y + row) * this.width + x + width)
    }

    companion object {
        fun createBitmap(colors: IntArray, width: Int, height: Int, config: Config): Bitmap {
            check(colors.size == width * height && config == Config.ARGB_8888)
            return Bitmap(width, height, colors)
        }
    }
}

class ImageDecoder {
    class Source

    class ImageInfo

    fun interface OnHeaderDecodedListener {
        fun onHeaderDecoded(decoder: ImageDecoder, info: ImageInfo, source: Source)
    }

    var allocator = 0
    var isUnpremultipliedRequired = false

    companion object {
        const val ALLOCATOR_SOFTWARE = 1

        fun decodeBitmap(src: Source, listener: OnHeaderDecodedListener): Bitmap {
            listener.onHeaderDecoded(ImageDecoder(), ImageInfo(), src)
            throw UnsupportedOperationException()
        }
    }
}
