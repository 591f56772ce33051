"""Writes numbers anew, when a system is new or was changed on purpose: python -m tests.conformance.regenerate segmentation/unet

The golden numbers of the system, and in each of its recipes the section `cost`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kvision.core import paths
from kvision.core.errors import DataError
from tests.conformance import subject

if TYPE_CHECKING:
    from pathlib import Path


def main(names: list[str]) -> int:
    """Measures the systems named and writes their files; a tolerance that was there is kept."""
    for name in names:
        golden = subject.golden_file(name)
        tolerance = json.loads(golden.read_text())["tolerance"] if golden.is_file() else subject.TOLERANCE
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(json.dumps({**subject.measure(subject.build(name).net), "tolerance": tolerance}, indent=2) + "\n")
        sys.stdout.write(f"{golden}\n")
        for recipe in subject.recipes_of(name):
            try:
                state_cost(paths.shipped()[recipe], subject.cost(recipe))
            except DataError as error:
                sys.stdout.write(f"{recipe}: no cost is written: {error}\n")
            else:
                sys.stdout.write(f"{paths.shipped()[recipe]}\n")
    return 0 if names else 2


def state_cost(file: Path, cost: dict[str, Any]) -> None:
    """Puts a cost into a recipe's text, all else of which stays."""
    line = f"cost: {{parameters: {cost['parameters']}, mflops: {cost['mflops']:g}}}\n"
    others = re.sub(r"^cost:.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    file.write_text(others + line, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
