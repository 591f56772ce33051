/** As much of Android as KvisionModel.kt uses: assets in a folder. */
package android.content

import android.content.res.AssetManager

class Context(val assets: AssetManager)
