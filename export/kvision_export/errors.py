"""Errors of an export. Each says what came, what is accepted and what to do."""

from __future__ import annotations

from kvision.core.errors import KvisionError


class ExportError(KvisionError):
    """A format can't be made of this model, or on this machine."""


class GateError(KvisionError):
    """A file was made and does not hold what it must; it lies under `rejected/`."""

    exit_code = 4
