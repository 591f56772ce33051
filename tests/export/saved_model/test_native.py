from __future__ import annotations

import numpy as np
import pytest

from kvision_export.saved_model import native


def test_fields_of_a_message():
    # Field 1, varint 300; field 2, two bytes; field 3, four bytes; field 4, eight bytes.
    message = b"\x08\xac\x02" + b"\x12\x02hi" + b"\x1d\x01\x02\x03\x04" + b"\x21" + bytes(8)
    found = [(number, value if isinstance(value, int) else bytes(value)) for number, value in native.fields(memoryview(message))]
    assert found == [(1, 300), (2, b"hi"), (3, b"\x01\x02\x03\x04"), (4, bytes(8))]


def test_strings_survive_the_file(tmp_path):
    texts = np.empty((2, 2), object)
    texts[:] = [[b"a\0", b""], [b"\0\0", b"longer"]]
    np.savez(tmp_path / "a.npz", **native.pack({"texts": texts, "numbers": np.arange(3)}))
    found = native.unpack(dict(np.load(tmp_path / "a.npz")))
    assert found["texts"].tolist() == texts.tolist()
    assert found["numbers"].tolist() == [0, 1, 2]


def test_every_kind_of_tensor_goes_through(published):
    model = native.Native(published)
    assert sorted(model.signatures) == ["predict_image", "predict_tensor", "serving_default"]
    found = model.run({"image": np.zeros((2, 20, 30, 3), np.uint8)}, "predict_image")
    assert (found["ok"].dtype, found["class_shares"].dtype, found["mask_bytes"].dtype) == (bool, np.float32, object)
    assert found["ok"].tolist() == [True, True]
    assert model.run({"image_bytes": []})["mask_bytes"].shape == (0,)
    with pytest.raises(native.NativeError, match="no signature other; there are predict_image, predict_tensor, serving_default"):
        model.run({}, "other")
    with pytest.raises(native.NativeError, match="serving_default takes image_bytes; image was given"):
        model.run({"image": []})
    with pytest.raises(native.NativeError, match="predict_tensor failed: "):
        model.run({"image": np.zeros((1, 7, 7, 3))}, "predict_tensor")
    model.close()


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(native.NativeError, match="can't be loaded"):
        native.Native(tmp_path)


def test_the_command(capsys):
    assert native.main(["only", "two"]) == 2
    assert "usage" in capsys.readouterr().err
