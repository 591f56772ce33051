"""`kvision data time`: where the time of a training goes, and what there should be more of."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from kvision import catalog
from kvision.core import words
from kvision.engine import bottleneck, session

if TYPE_CHECKING:
    from collections.abc import Sequence

_BAR = 40


def run(
    recipe: str,
    overrides: Sequence[str],
    *,
    seconds: float = 3.0,
    devices: str = "auto",
    precision: str = "fp32",
    smoke: bool = False,
    json_lines: bool = False,
) -> None:
    """Measures the stages of a recipe's training and prints them with a sentence of advice.

    Args:
        recipe: A file, or the name of a shipped recipe.
        overrides: `key=value` texts.
        seconds: How long each stage is measured.
        devices: As `--devices`.
        precision: `fp32`, `bf16` or `fp16`.
        smoke: Whether the recipe's `smoke` section is applied.
        json_lines: One JSON object instead of the table.

    Raises:
        KvisionError: For whatever is the user's to mend.
    """
    resolved = catalog.load(recipe, overrides, smoke)
    made = resolved.recipe
    opened = session.open_session(resolved, catalog.system(made.system), catalog.source(made.data.source), devices=devices, precision_name=precision)
    found = bottleneck.measure(opened, seconds, lambda stage: print(f"measuring: {stage}", file=sys.stderr, flush=True))
    total = sum(found.stages.values())
    if json_lines:
        facts = {f"{stage}_cpu_ms": 1000 * value for stage, value in found.stages.items()}
        rates = {"input_per_s": 1 / found.input_s, "step_per_s": 1 / found.step_s, "training_per_s": 1 / found.whole.wall_s}
        waits = {"read_waits_ms": 1000 * found.reading_waits_s, "training_cpu_ms": 1000 * found.whole.cpu_s}
        print(json.dumps({**facts, **waits, **rates, "cores": found.cores, "advice": found.advice}))
        return
    for stage, value in found.stages.items():
        bar = "█" * round(_BAR * value / total)
        print(f"{bottleneck.WORDS[stage]:24} {1000 * value:9.3f} ms of a core  {value / total:4.0%}  {bar}")
    print(f"{'together':24} {1000 * total:9.3f} ms of a core an example; the training itself took {1000 * found.whole.cpu_s:.3f}")
    print(f"reading waited {1000 * found.reading_waits_s:.3f} ms an example for the disk")
    rates = {"the input alone": found.input_s, "the step alone": found.step_s, "the training": found.whole.wall_s}
    told = ", ".join(f"{what} {1 / value:,.0f}" for what, value in rates.items())
    print(f"examples a second on {words.counted(found.cores, 'core')}: {told}")
    print(found.advice)
