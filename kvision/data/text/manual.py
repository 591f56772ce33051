"""Several hundred thousand characters of real English that are on every machine: the reference manual that `help()` of Python shows."""

from __future__ import annotations

import importlib
import re

from kvision.core.errors import DataError


def text() -> str:
    """The chapters in alphabetical order, each paragraph once: the manual repeats some of them, and what was trained on must not be validated on.

    Returns:
        The text; another version of Python has another one.

    Raises:
        DataError: If this Python was installed without it.
    """
    try:
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ImportError as error:
        raise DataError("data.path: this Python came without its manual (pydoc_data); give a text of your own as data.path") from error
    paragraphs = [part.strip("\n") for name in sorted(topics) for part in re.split(r"\n\s*\n", topics[name])]
    return "\n\n".join(dict.fromkeys(part for part in paragraphs if part.strip())) + "\n"
