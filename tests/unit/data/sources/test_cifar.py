from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.sources.cifar import Cifar, Options

COUNT = 12
NAMES = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]


def batch(seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (COUNT, 3072)).astype(np.uint8), np.arange(COUNT) % 10


def source(folder, **options):
    options.setdefault("val_size", 20)
    return Cifar(Options(path=str(folder), **options), seed=0, base=Path())


def cifar10(folder, *, python):
    for seed, name in enumerate([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]):
        pixels, labels = batch(seed)
        if python:
            (folder / name).write_bytes(pickle.dumps({b"data": pixels, b"labels": labels.tolist(), b"batch_label": b"one"}, protocol=2))
        else:
            (folder / f"{name}.bin").write_bytes(np.hstack([labels[:, None].astype(np.uint8), pixels]).tobytes())
    if python:
        (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": NAMES}, protocol=2))
    else:
        (folder / "batches.meta.txt").write_text("\n".join(name.decode() for name in NAMES) + "\n\n")


@pytest.mark.parametrize("python", [False, True])
def test_cifar_10(tmp_path, python):
    cifar10(tmp_path, python=python)
    one = source(tmp_path)
    assert [len(one.split(name)) for name in ("train", "val", "test")] == [40, 20, 12]
    assert one.info.class_names == tuple(name.decode() for name in NAMES)
    pixels, labels = batch(5)
    example = one.split("test").read(tf.constant(4, tf.int64), frozenset({"image", "label"}))
    assert int(example["label"]) == labels[4]
    red, green, blue = pixels[4].reshape(3, 32, 32)  # "the first 1024 entries contain the red channel values", row by row
    np.testing.assert_array_equal(example["image"], np.dstack([red, green, blue]))


@pytest.mark.parametrize("labels", ["fine", "coarse"])
@pytest.mark.parametrize("python", [False, True])
def test_cifar_100(tmp_path, labels, python):
    for seed, name in enumerate(["train", "test"]):
        pixels, coarse = batch(seed)
        fine = coarse * 7
        if python:
            content = {b"data": pixels, b"fine_labels": fine.tolist(), b"coarse_labels": coarse.tolist()}
            (tmp_path / name).write_bytes(pickle.dumps(content))
        else:
            (tmp_path / f"{name}.bin").write_bytes(np.hstack([np.stack([coarse, fine], 1).astype(np.uint8), pixels]).tobytes())
    one = source(tmp_path, labels=labels, val_size=None, val_split=0.1)
    assert one.split("test").labels.tolist() == [k % 10 * (7 if labels == "fine" else 1) for k in range(COUNT)]
    assert len(one.info.class_names) == (100 if labels == "fine" else 20)


class Evil:
    def __reduce__(self):
        return (print, ("run",))


def test_a_pickle_runs_nothing(tmp_path, capsys):
    cifar10(tmp_path, python=True)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({b"data": Evil()}))
    with pytest.raises(DataError, match=r"data_batch_1: is no batch of CIFAR: it asks for \w+.print, which no batch of CIFAR does"):
        source(tmp_path).split("train")
    assert not capsys.readouterr().out


def test_damaged_and_missing_files(tmp_path):
    with pytest.raises(DataError, match=r"holds neither data_batch_1.bin nor data_batch_1 \(CIFAR-10\), nor train.bin nor train"):
        source(tmp_path).split("train")
    cifar10(tmp_path, python=False)
    (tmp_path / "data_batch_3.bin").write_bytes(b"0" * 3000)
    with pytest.raises(DataError, match=r"data_batch_3.bin: has 3000 bytes, no multiple of 3073"):
        source(tmp_path).split("train")
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_3.bin: can't be read: No such file"):
        source(tmp_path).split("train")
    python = tmp_path / "python"
    python.mkdir()
    cifar10(python, python=True)
    (python / "test_batch").write_bytes(pickle.dumps({b"data": np.zeros((3, 5), np.uint8), b"labels": [1, 2, 3]}))
    with pytest.raises(DataError, match=r"test_batch: is no batch of CIFAR-10: it needs uint8 data \[N, 3072\] and as many labels"):
        source(python).split("train")
    (python / "test_batch").write_bytes(b"\x80\x02cut")
    with pytest.raises(DataError, match=r"test_batch: is no batch of CIFAR"):
        source(python).split("train")
