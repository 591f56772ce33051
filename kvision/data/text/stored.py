"""Reads a vocabulary of any kind from the file that it was saved in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kvision.core.errors import DataError
from kvision.core.paths import display
from kvision.data.text.byte_pairs import BytePairs
from kvision.data.text.vocabulary import NAME, SCHEMA, SPECIAL, Characters, Words

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.data.text.vocabulary import Vocabulary

KINDS: dict[str, type[Words | Characters | BytePairs]] = {Words.kind: Words, Characters.kind: Characters, BytePairs.kind: BytePairs}


def read(folder: Path) -> Vocabulary:
    """The vocabulary of a run or a bundle.

    Args:
        folder: The folder that holds `vocabulary.json`.

    Returns:
        The vocabulary, of the kind that was saved.

    Raises:
        DataError: If there is none, it is damaged, or it is of another version.
    """
    path = folder / NAME
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{display(path)}: can't be read: {(error.strerror or str(error)).lower()}; it belongs to every run on texts") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{display(path)}: is damaged ({error}); copy it again from the run that wrote it") from error
    schema = values.get("schema") if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise DataError(f"{display(path)}: has schema {schema!r}, this kvision reads {SCHEMA}; use the kvision that trained the run, or train again")
    kind, tokens = values.get("kind"), values.get("tokens")
    if not isinstance(kind, str) or kind not in KINDS:
        raise DataError(f"{display(path)}: has the kind {kind!r}, this kvision knows {', '.join(KINDS)}; install the newer kvision")
    whole = isinstance(tokens, list) and all(isinstance(token, str) for token in tokens) and len(set(tokens)) == len(tokens)
    try:
        if whole and tuple(tokens[: len(SPECIAL)]) == SPECIAL:
            return KINDS[kind](tokens[len(SPECIAL) :], **{name: values[name] for name in KINDS[kind].fields})
    except (KeyError, TypeError, ValueError):
        pass
    wanted = f"{', '.join(KINDS[kind].fields)} and tokens that begin with {', '.join(SPECIAL)}, each once"
    raise DataError(f"{display(path)}: does not hold together: expected {wanted}; copy it again from the run that wrote it")
