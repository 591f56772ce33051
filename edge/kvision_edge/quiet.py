"""Holds back what C++ libraries greet the user with, such as LiteRT's line on XNNPACK; only the command line asks for it."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from contextlib import contextmanager
from typing import Iterator


class _State:
    """Whether quiet was asked for."""

    asked = False


def install() -> None:
    """Makes `starting` hold back what is written from now on."""
    _State.asked = True


@contextmanager
def starting() -> Iterator[None]:
    """Around what makes a library greet; where the block fails, what was written to file descriptor 2 comes out.

    TensorFlow's advice to take LiteRT instead is never of use: it is only asked where there is no LiteRT, or by its name.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Warning: tf\.lite\.Interpreter is deprecated", UserWarning)
        if _State.asked:
            with _held_back():
                yield
        else:
            yield


@contextmanager
def _held_back() -> Iterator[None]:
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        except BaseException:
            written.seek(0)
            os.write(stderr, written.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
