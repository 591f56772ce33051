"""Text files that people write: read as UTF-8, and told by line where they are something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision.core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

FIX = "save it as UTF-8, for example by `iconv -f latin1 -t utf-8`"


def read(file: Path) -> str:
    """The text of a file, without the mark that some editors put before it.

    Args:
        file: The file.

    Returns:
        Its text.

    Raises:
        DataError: If it can't be read, or is not UTF-8; names the line.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: can't be read: {(error.strerror or str(error)).lower()}") from error
    if (fault := fault_of(content)) is not None:
        raise DataError(f"{file}: {fault}; {FIX}")
    return content.decode("utf-8-sig")


def lines(file: Path) -> list[str]:
    """The lines of a text file, as `read` reads it; what else Unicode takes for the end of a line stays within one."""
    return [line.removesuffix("\r") for line in read(file).split("\n")]


def fault_of(content: bytes) -> str | None:
    """Where bytes are no UTF-8, in words; none: they are."""
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return f"line {line} is not UTF-8: it holds the byte 0x{error.object[error.start]:02x}"
    return None
