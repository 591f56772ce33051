"""What is asked over HTTP: models for `kvision serve`, and the addresses of `kvision ui`, which publishes none because they are its own pages'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GUARDED = ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy", "cross-origin-resource-policy")


def save(root: Path) -> Path:
    """SavedModels `numbers`, `integers` and `bytes`, whose graphs refuse other shapes than they state, as graphs do that compute something."""
    import tensorflow as tf

    def rows(dtype: Any, *rest: int, name: str = "x") -> Any:
        return tf.TensorSpec([None, *rest], dtype, name=name)

    def same(spec: Any) -> Any:
        def finite(x: Any) -> Any:  # what is infinite or no text can't be said in JSON
            return tf.clip_by_value(x, spec.dtype.min, spec.dtype.max) if spec.dtype.is_floating else x

        return tf.function(lambda x: {"y_bytes" if spec.dtype == tf.string else "y": finite(tf.ensure_shape(x, spec.shape))}, [spec])

    def total(a: Any, b: Any) -> Any:
        return {"total": tf.size(tf.ensure_shape(a, [None])) + tf.reduce_sum(tf.ensure_shape(b, [None, 2]))}

    def decoded(image: Any) -> Any:
        sizes = tf.map_fn(lambda each: tf.shape(tf.io.decode_image(each)), tf.ensure_shape(image, [None]), fn_output_signature=tf.int32)
        return {"size": sizes, "image_bytes": tf.identity(image)}

    def regressed(inputs: Any) -> Any:
        return {"outputs": tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([1], tf.float32, [0.0])})["x"]}

    models = {
        "numbers": {"serving_default": same(rows(tf.float32, 3)), **{each.name: same(rows(each)) for each in (tf.float64, tf.bool, tf.string)}},
        "integers": {
            "serving_default": tf.function(total, [rows(tf.float32, name="a"), rows(tf.int32, 2, name="b")]),
            **{each.name: same(rows(each)) for each in (tf.int64, tf.uint8)},
        },
        "bytes": {
            "serving_default": tf.function(decoded, [rows(tf.string, name="image")]),
            "regress": tf.function(regressed, [rows(tf.string, name="inputs")]),
        },
    }
    for name, functions in models.items():
        signatures = {key: function.get_concrete_function() for key, function in functions.items()}
        tf.saved_model.save(tf.Module(), str(root / name / "1"), signatures=signatures)
    return root


def pages() -> dict[str, Any]:
    """The addresses of `kvision ui`, as OpenAPI."""
    name, text = {"in": "path", "name": "name", "required": True, "schema": {"enum": ["unet", "nobody", "..", "unet/bundle"]}}, {"type": "string"}

    def given(*names: str) -> list[dict[str, Any]]:
        return [{"in": "query", "name": each, "schema": text} for each in names]

    def asked(parameters: list[dict[str, Any]], kind: str = "text/html", **more: Any) -> dict[str, Any]:
        headers = {each: {"required": True, "schema": text} for each in GUARDED}
        found: Mapping[str, Any] = {"headers": headers, "content": {kind: {"schema": {}}}}
        trouble = {"description": "not so", "headers": headers, "content": {"text/html": {"schema": text}, "text/plain": {"schema": text}}}
        answers = {"200": {"description": "so", **found}, "204": {"description": "nothing new", "headers": headers}}
        return {"parameters": parameters, "responses": {**answers, **dict.fromkeys(("400", "404"), trouble)}, **more}

    picture = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "kvision ui", "version": "0"},
        "paths": {
            "/": {"get": asked(given("q", "status", "sort"))},
            "/run/{name}": {"get": asked([name, *given("other", "stage")])},
            "/compare": {"get": asked([{"in": "query", "name": "run", "schema": {"type": "array", "items": text}}])},
            "/try": {"get": asked(given("bundle"))},
            "/curves/{name}": {"get": asked([name, *given("epochs", "steps")], "application/json")},
            "/picture/{name}": {"get": asked([name, *given("file")], "image/png")},
            "/sample/{name}": {"get": asked([name], "image/png")},
            "/report/{name}": {"get": asked([name])},
            "/answer": {"post": asked(given("bundle", "format"), requestBody=picture)},
        },
    }
