"""Writes golden numbers anew, when a system is new or was changed on purpose: python -m tests.conformance.regenerate segmentation/unet"""

from __future__ import annotations

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tests.conformance import subject


def main(names: list[str]) -> int:
    """Measures the systems named and writes their files; a tolerance that was there is kept."""
    for name in names:
        file = subject.golden_file(name)
        tolerance = json.loads(file.read_text())["tolerance"] if file.is_file() else subject.TOLERANCE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**subject.measure(name), "tolerance": tolerance}, indent=2) + "\n")
        sys.stdout.write(f"{file}\n")
    return 0 if names else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
