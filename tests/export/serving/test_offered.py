"""What is found to be served, and what is said where there is nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvision.core.errors import UsageError
from kvision_edge import manifest
from kvision_export.serving import offered
from kvision_export.serving.offered import Model


def save(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").touch()
    return folder


def bundle(folder: Path, formats: tuple[str, ...] = ()) -> Path:
    folder.mkdir(exist_ok=True)
    files = tuple(manifest.File(f"{each}.tflite", each, 1, "00", {}) for each in formats)
    made = manifest.Manifest("unet", "segmentation", files, None, (), (), {}, {}, {"run": "runs/unet"}, {})
    (folder / manifest.NAME).write_text(made.to_json(), encoding="utf-8")
    return folder


def test_a_bundle(tmp_path: Path) -> None:
    save(tmp_path / "saved_model/unet/9")
    save(tmp_path / "saved_model/unet/10")
    (tmp_path / "saved_model/unet/11").mkdir()  # not written yet
    offer = offered.find([bundle(tmp_path)])
    assert offer.models == (Model("unet", tmp_path / "saved_model/unet", (9, 10)),)
    assert f'name: "unet" base_path: "{tmp_path}/saved_model/unet"' in offer.config_text()


def test_a_name_folder_a_version_and_their_parent_are_the_same(tmp_path: Path) -> None:
    save(tmp_path / "models/unet/1")
    expected = (Model("unet", tmp_path / "models/unet", (1,)),)
    for given in ("models/unet", "models/unet/1", "models"):
        assert offered.find([tmp_path / given]).models == expected
    assert offered.find([tmp_path / "models", tmp_path / "models/unet"]).models == expected


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "unet/1")
    monkeypatch.chdir(tmp_path)
    assert offered.find(["unet"]).models[0].folder == tmp_path / "unet"


def test_several_at_once(tmp_path: Path) -> None:
    save(tmp_path / "a/saved_model/unet/1")
    save(tmp_path / "b/resnet/4")
    offer = offered.find([bundle(tmp_path / "a"), tmp_path / "b"])
    assert [(model.name, model.versions) for model in offer.models] == [("unet", (1,)), ("resnet", (4,))]
    save(tmp_path / "c/unet/1")
    with pytest.raises(UsageError, match=r"unet is in .*/a/saved_model/unet and in .*/c/unet; one server can't have both"):
        offered.find([tmp_path / "a", tmp_path / "c"])


def test_a_config_is_served_as_it_is(model_config: Path) -> None:
    offer = offered.find([model_config])
    assert [(model.name, model.versions) for model in offer.models] == [("half", (1, 2)), ("pair", (1,)), ("picture", (1,)), ("kinds", (1,))]
    assert offer.config_text() == model_config.read_text()
    with pytest.raises(UsageError, match=r"models.config and 1 more: a models.config names all that is served; give it alone"):
        offered.find([model_config, model_config.parent / "half"])


def test_a_config_that_holds_nothing(tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    config.write_text(f'model_config_list {{ config {{ name: "unet" base_path: "{tmp_path}/unet" model_platform: "tensorflow" }} }}')
    with pytest.raises(UsageError, match=rf"names models that have no versions: unet \({tmp_path}/unet\); mend its base_path"):
        offered.find([config])
    config.write_text("model_config_list {}")
    with pytest.raises(UsageError, match="names no models"):
        offered.find([config])


def test_where_there_is_nothing_to_serve(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing to serve; give bundles, e.g. `kvision serve bundles/unet`"):
        offered.find([])
    with pytest.raises(UsageError, match=r"none: is no folder; give a bundle"):
        offered.find([tmp_path / "none"])
    tflite_only = bundle(tmp_path / "tf", ("tflite-fp32", "tflite-int8"))
    with pytest.raises(UsageError, match=r"no SavedModel, only tflite-fp32, tflite-int8; make one: kvision export runs/unet --to savedmodel --out "):
        offered.find([tflite_only])
    (tmp_path / "run").mkdir()
    (tmp_path / "run/resolved.json").touch()
    with pytest.raises(UsageError, match=r"run: is a run; make a bundle of it first: kvision export .*/run --to savedmodel --out "):
        offered.find([tmp_path / "run"])
    save(tmp_path / "odd/v1")
    with pytest.raises(UsageError, match=r"holds no NAME/<version>/saved_model.pb; v1 is not a whole number, as versions are"):
        offered.find([tmp_path / "odd"])
    with pytest.raises(UsageError, match=r"v1: is a SavedModel without a version; put it into a folder of whole number"):
        offered.find([tmp_path / "odd/v1"])
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / manifest.NAME).write_text("{")
    with pytest.raises(UsageError, match="is damaged"):
        offered.find([tmp_path / "damaged"])
