"""What every test can rely on: a quiet TensorFlow with two logical CPUs, fixed seeds, and float32; who needs TensorFlow imports it."""

from __future__ import annotations

import gc
import importlib.abc
import importlib.machinery
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests import environments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


class _TwoCpus(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Sets two logical CPUs as soon as TensorFlow is imported, by whomever: once the devices are in use it would be too late."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            self._loader = spec.loader
            spec.loader = self
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        (cpu,) = module.config.list_physical_devices("CPU")
        module.config.set_logical_device_configuration(cpu, [module.config.LogicalDeviceConfiguration()] * 2)
        gc.freeze()  # its 365,000 objects stay: to look through them is 0.2 s a collection, which every conversion asks for


sys.meta_path.insert(0, _TwoCpus())


@pytest.fixture(autouse=True)
def _fresh_keras() -> Iterator[None]:
    """The same seeds and layer names for every test, and float32 after a test of mixed precision; nothing when Keras is not in use."""
    if (keras := sys.modules.get("keras")) is not None:
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(0)
    yield
    if (keras := sys.modules.get("keras")) is not None:
        keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def runtime_2_14(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the runtime of old devices; not to be changed."""
    return environments.with_runtime_2_14(tmp_path_factory)
