"""Hides what TensorFlow writes when it starts: a dozen lines about CUDA, oneDNN and processor flags that help nobody.

Its C++ libraries write straight to file descriptor 2 while `import tensorflow` runs, before any of their settings counts, so the import itself is
wrapped: wherever in the program it happens, what it writes goes to a temporary file, which is shown only when the import fails.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import logging
import os
import sys
import tempfile
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

SETTINGS = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "ERROR", "GLOG_minloglevel": "3", "ABSL_MIN_LOG_LEVEL": "3"}
"""What keeps the C++ libraries quiet after the import; a value that the user has set stays."""


def install() -> None:
    """Makes the next `import tensorflow` a quiet one, unless TensorFlow is loaded already, and `starting` hold back what is written."""
    _State.asked = True
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if "tensorflow" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextmanager
def starting() -> Iterator[None]:
    """As `held_back`, where `install` was called: around what makes a C++ library greet the user, such as LiteRT's first interpreter."""
    with held_back() if _State.asked else nullcontext():
        yield


@contextmanager
def held_back() -> Iterator[None]:
    """Holds back what is written to file descriptor 2, and lets it go when the block fails, but not when the user ends it."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            written.seek(0)
            os.write(2, written.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)


class _State:
    """Whether quiet was asked for."""

    asked = False


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as usual and has it loaded with stderr held back."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)  # whoever else would find it, now that this finder has stepped aside
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads one module with stderr held back."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        with held_back():
            self.loader.exec_module(module)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
