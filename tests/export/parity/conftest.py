"""What Keras reaches on the smoke run, once for each worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kvision_export.parity.proof import Reference
    from kvision_export.subject import Subject


@pytest.fixture(scope="session")
def reference(subject: Subject) -> Reference:
    """What Keras reaches."""
    from kvision_export.parity import proof

    return proof.refer(subject)
