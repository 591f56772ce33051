"""What a run folder says, told to people: curves, confusion matrix, report page, model card. Reads files only; no TensorFlow.

`write` makes the report of one run, `compare.compare` puts several runs side by side.
"""

from __future__ import annotations

from pathlib import Path


def write(run_dir: Path | str) -> Path:
    """Writes pictures/curves.png, pictures/confusion.png, report.html and model_card.md from what the run folder holds.

    An unfinished run gets a report, too: what is not there yet is left out, and the page says how the run ended.

    Args:
        run_dir: A run folder.

    Returns:
        Path of report.html.

    Raises:
        RunError: If the folder is not a run, or can't be written.
    """
    from kvision.report import writing  # brings matplotlib and jinja2, which `import kvision.report` need not pay for

    return writing.write(Path(run_dir))
