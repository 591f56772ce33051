/** As much of org.json, as Android has it, as KvisionModel.kt uses; keys keep their order there too. */
package org.json

class JSONException(message: String) : Exception(message)

class JSONArray(private val values: List<Any?>) {
    fun length() = values.size

    fun getInt(index: Int) = (values[index] as Number).toInt()

    fun getDouble(index: Int) = (values[index] as Number).toDouble()

    fun getString(index: Int) = values[index] as String

    fun getJSONArray(index: Int) = values[index] as JSONArray

    fun getJSONObject(index: Int) = values[index] as JSONObject
}

class JSONObject(private val values: Map<String, Any?>) {
    constructor(json: String) : this(Parser(json).whole())

    private fun get(name: String) = values[name] ?: throw JSONException("No value for $name")

    fun keys(): Iterator<String> = values.keys.iterator()

    fun getInt(name: String) = (get(name) as Number).toInt()

    fun getString(name: String) = get(name) as String

    fun getJSONArray(name: String) = get(name) as JSONArray

    fun getJSONObject(name: String) = get(name) as JSONObject

    fun optString(name: String, fallback: String = "") = values[name] as? String ?: fallback

    fun optInt(name: String, fallback: Int) = (values[name] as? Number)?.toInt() ?: fallback
}

private class Parser(private val text: String) {
    private var at = 0

    fun whole(): Map<String, Any?> = members()

    private fun space() {
        while (text[at].isWhitespace()) at++
    }

    private fun take(wanted: Char): Boolean {
        space()
        return (text[at] == wanted).also { if (it) at++ }
    }

    private fun need(wanted: Char) {
        if (!take(wanted)) throw JSONException("expected $wanted at $at")
    }

    private fun members(): Map<String, Any?> {
        val found = linkedMapOf<String, Any?>()
        need('{')
        while (!take('}')) {
            if (found.isNotEmpty()) need(',')
            val name = string()
            need(':')
            found[name] = value()
        }
        return found
    }

    private fun items(): List<Any?> {
        val found = mutableListOf<Any?>()
        need('[')
        while (!take(']')) {
            if (found.isNotEmpty()) need(',')
            found += value()
        }
        return found
    }

    private fun string(): String {
        need('"')
        return text.substring(at, text.indexOf('"', at)).also { at += it.length + 1 }
    }

    private fun value(): Any? {
        space()
        return when (text[at]) {
            '{' -> JSONObject(members())
            '[' -> JSONArray(items())
            '"' -> string()
            else -> {
                val word = text.substring(at).takeWhile { it !in ",]} \n" }
                at += word.length
                if (word == "null") null else word.toDouble()
            }
        }
    }
}
