from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kvision.commands import predict, trained
from kvision.core.errors import DataError, RunError, UsageError
from kvision.engine.system import Prediction
from tests.unit.commands.conftest import make


@pytest.mark.parametrize("which", ["run", "crop_run"])
def test_masks_overlays_and_json(which, request, photos, tmp_path, capsys):
    run = request.getfixturevalue(which)
    predict.run(run, [str(photos)], out=tmp_path / "out")
    assert "3 pictures predicted" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [entry["mask"] for entry in found["images"]] == ["a.mask.png", "b.mask.png", "a-2.mask.png"]
    palette = json.loads((run / "data.json").read_text())["palette"]
    for entry in found["images"]:
        with Image.open(tmp_path / "out" / entry["mask"]) as mask, Image.open(tmp_path / "out" / entry["overlay"]) as overlay:
            assert (mask.mode, mask.size, overlay.size) == ("P", (34, 21), (34, 21))
            assert mask.getpalette()[:33] == [value for colour in palette for value in colour]
            classes = np.asarray(mask)
        assert sum(entry["classes"].values()) == pytest.approx(1, abs=1e-4)
        share = {found["class_names"][number]: np.mean(classes == number) for number in np.unique(classes)}
        assert entry["classes"] == pytest.approx(share, abs=1e-6)


def test_faulty_files_stop_nothing_and_nothing_is_overwritten(run, photos, capsys):
    (photos / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"1 of 4 pictures could not be read, the others are done; .*\n  .*broken\.png") as caught:
        predict.run(run, [str(photos)], json_lines=True)
    assert caught.value.exit_code == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ["error" in line for line in lines] == [False, False, True, False]
    predict.run(run, [str(photos / "a.png")])
    assert sorted(path.name for path in (run / "predictions").iterdir()) == ["1", "2"]
    with pytest.raises(RunError, match=r"--out .*: holds files, which are not overwritten"):
        predict.run(run, [str(photos)], out=photos)


def test_training_data_is_not_needed(run, photos, tmp_path, monkeypatch):
    from kvision.data.sources.scenes import Scenes

    monkeypatch.setattr(Scenes, "split", lambda self, name: pytest.fail("the training data was asked for"))
    monkeypatch.setattr(Scenes, "info", property(lambda self: pytest.fail("the training data was asked for")))
    predict.run(run, [str(photos / "b.jpg")], out=tmp_path / "out")


def test_tile_is_checked_against_the_network(crop_run, photos, tmp_path):
    predict.run(crop_run, [str(photos / "a.png")], out=tmp_path / "out", tile=16, overlap=8)
    with pytest.raises(UsageError, match=r"--tile 17: the network needs a multiple of 2 pixels; use 16 or 18"):
        predict.run(crop_run, [str(photos / "a.png")], out=tmp_path / "other", tile=17)
    assert not (tmp_path / "other").exists()


def test_pictures_and_facts_by_hand(tmp_path):
    drawn = {"mask": Image.new("P", (4, 1)), "overlay": Image.new("RGB", (4, 1), (1, 2, 3))}
    found = Prediction({"width": 4}, drawn, {"logits": np.arange(3)})
    assert predict.write_one(found, tmp_path, "x") == {"mask": "x.mask.png", "overlay": "x.overlay.png", "logits": "x.logits.npy", "width": 4}
    assert np.load(tmp_path / "x.logits.npy").tolist() == [0, 1, 2]
    with Image.open(tmp_path / "x.overlay.png") as overlay:
        assert np.asarray(overlay)[0].tolist() == [[1, 2, 3]] * 4


def test_a_heat_map_stands_beside_the_classes(photos, tmp_path):
    run = make(tmp_path / "lenet", recipe="classification/lenet", smoke=True)
    predict.run(run, [str(photos / "a.png")], out=tmp_path / "out", heatmap=True)
    (entry,) = json.loads((tmp_path / "out" / "predictions.json").read_text())["images"]
    assert (entry["heat"], entry["logits"]) == ("a.heat.png", "a.logits.npy")
    assert entry["heat_class"] == next(iter(entry["classes"]))
    # 21 x 34 pixels become 32 x 52, on which a window of 16 moves by 4.
    assert (entry["window_px"], entry["stride_px"]) == (10.5, 2.62)
    logits = np.load(tmp_path / "out" / "a.logits.npy")
    assert (logits.shape, logits.dtype) == ((5, 10, 10), np.float32)
    with Image.open(tmp_path / "out" / "a.heat.png") as heat:
        assert (heat.size, heat.mode) == ((34, 21), "RGB")


def test_heat_maps_are_for_classifiers(run, photos, tmp_path):
    with pytest.raises(UsageError, match="--heatmap is for classifiers; segmentation/unet does not name whole pictures: leave it out"):
        predict.run(run, [str(photos)], out=tmp_path / "out", heatmap=True)
    assert not (tmp_path / "out").exists()


def test_an_exported_file_draws_no_heat_map(run, photos, monkeypatch):
    exported = SimpleNamespace(run=run, path=run)
    monkeypatch.setattr(predict.trained, "find", lambda path, weights: trained.Trained(run, path, weights, exported))
    with pytest.raises(UsageError, match=r"--heatmap: model.tflite takes pictures of one size only; give the run that it was exported from"):
        predict.run("model.tflite", [str(photos)], heatmap=True)
