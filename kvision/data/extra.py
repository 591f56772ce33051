"""Packages that only some data sets need: imported when they are asked for, with one clear error where they are not installed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from kvision.core.errors import DataError

if TYPE_CHECKING:
    from types import ModuleType


def package(module: str, name: str, why: str) -> ModuleType:
    """Imports a module.

    Args:
        module: Its name, such as `pyarrow.parquet`.
        name: What to install for it.
        why: What needs it, to begin the message with.

    Returns:
        The module.

    Raises:
        DataError: If the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(f"{why} needs the package {name}; run `pip install {name}`") from error
