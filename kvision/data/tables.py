"""Rows of a list of pictures: CSV, TSV, JSON Lines or Parquet, each row a mapping from column to value."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from kvision.core.errors import DataError
from kvision.core.names import did_you_mean
from kvision.data import extra, utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Row = dict[str, Any]
_DELIMITERS = ",;\t|"


def read(file: Path, columns: Sequence[str] | None = None) -> list[Row]:
    """Reads a list.

    Args:
        file: Its ending says what it is: .csv, .tsv, .txt (the same with any delimiter), .jsonl (or .ndjson), .parquet.
        columns: Names of the columns of a table without a line of names; none: its first line names them.

    Returns:
        The rows; all have the same columns.

    Raises:
        DataError: If the file is missing, of another kind, empty or damaged; the message names the line.
    """
    readers: dict[str, Callable[[Path], list[Row]]] = {
        ".csv": lambda file: _csv(file, columns),
        ".tsv": lambda file: _csv(file, columns),
        ".txt": lambda file: _csv(file, columns),
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".parquet": _parquet,
    }
    if file.suffix.lower() not in readers:
        raise DataError(f"{file}: is of no kind that can be read; accepted: {', '.join(readers)}")
    try:
        rows = readers[file.suffix.lower()](file)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: {utf8.fault_of(file.read_bytes())}; {utf8.FIX}") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{file}: can't be read: {error}") from error
    if not rows:
        raise DataError(f"{file}: holds no rows")
    return rows


def column(rows: Sequence[Row], given: str | None, guesses: Sequence[str], option: str, file: Path) -> str | None:
    """The name of a column.

    Args:
        rows: The list.
        given: What the recipe says.
        guesses: Names to look for otherwise, in lower case, the likeliest first.
        option: The recipe's key, for messages.
        file: The list's file, for messages.

    Returns:
        The name, or none if it is not given and no guess fits.

    Raises:
        DataError: If there is no column of the given name.
    """
    columns = list(rows[0])
    if given is not None:
        if given not in columns:
            raise DataError(f"{option}: {file} has no column {given!r}; it has {', '.join(columns)}{did_you_mean(given, columns)}")
        return given
    lower = {name.strip().lower(): name for name in columns}
    return next((lower[guess] for guess in guesses if guess in lower), None)


def _csv(file: Path, columns: Sequence[str] | None) -> list[Row]:
    """A table; its delimiter is the likeliest one in the first line, or any number of spaces if none is there."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        head = lines.readline()
        lines.seek(0)
        delimiter = max(_DELIMITERS, key=head.count)
        spaces = delimiter not in head and len(head.split()) > 1
        source = (" ".join(line.split()) for line in lines) if spaces else lines
        reader = csv.DictReader(source, columns, delimiter=" " if spaces else delimiter, strict=True)
        rows = []
        for row in reader:
            if None in row or None in row.values():  # what DictReader calls too many and too few
                count = len(reader.fieldnames or ())
                raise DataError(f"{file}:{reader.line_num}: has {'more' if None in row else 'fewer'} values than the {count} columns")
            rows.append(dict(row))
    return rows


def _json_lines(file: Path) -> list[Row]:
    rows = []
    for number, line in enumerate(utf8.lines(file), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file}:{number}: is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(f'{file}:{number}: got {line[:40]}, expected an object such as {{"image": "a.png", "label": "cat"}}')
        rows.append(row)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in columns} for row in rows]


def _parquet(file: Path) -> list[Row]:
    arrow = extra.package("pyarrow", "pyarrow", f"{file}: reading Parquet")
    parquet = extra.package("pyarrow.parquet", "pyarrow", f"{file}: reading Parquet")
    try:
        return list(parquet.read_table(file).to_pylist())
    except arrow.ArrowException as error:
        raise DataError(f"{file}: can't be read: {error}") from error
