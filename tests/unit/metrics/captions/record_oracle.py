"""Records what pycocoevalcap 1.2 and its two Java programs say, so that the tests need neither: 102 MB, and a Java runtime.

Run where they are installed: `pip install pycocoevalcap==1.2 && python -m tests.unit.metrics.captions.record_oracle`.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from pycocoevalcap import meteor, tokenizer
from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS

from tests.unit.metrics.captions import coco, grammar

HERE = Path(__file__).parent
RECORD = HERE / "oracle.json"
CAPTIONS = HERE / "captions.txt"


def java(folder: str, *arguments: str) -> str:
    command = ["java", "-XX:+UseSerialGC", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, encoding="utf-8").stdout


def ptb(captions: list[str]) -> list[list[str]]:
    """Words of captions, as `PTBTokenizer.tokenize` of pycocoevalcap has them where another caption follows, which some rules look at."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write("".join(f"{caption}\nA dog.\n" for caption in captions))
        file.flush()
        main = ("-cp", "stanford-corenlp-3.4.1.jar", "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase", file.name)
        lines = java(tokenizer.__path__[0], *main).split("\n")
    return [[word for word in line.rstrip().split(" ") if word and word not in PUNCTUATIONS] for line in lines[: 2 * len(captions) : 2]]


def exact_meteor(examples: list[grammar.Example]) -> tuple[float, list[float]]:
    """METEOR of the corpus and of each caption, exact matches only, all words alike."""
    most = max(len(example.references) for example in examples)
    with tempfile.TemporaryDirectory() as folder:
        found, references = Path(folder, "captions"), Path(folder, "references")
        found.write_text("".join(f"{' '.join(example.candidate)}\n" for example in examples))
        filled = (each.references + each.references[-1:] * (most - len(each.references)) for each in examples)
        references.write_text("".join(f"{' '.join(reference)}\n" for each in filled for reference in each))
        options = ("-l", "en", "-m", "exact", "-w", "1.0", "-p", "0.85 0.2 0.6 0.5", "-r", str(most))
        said = java(meteor.__path__[0], "-jar", "meteor-1.5.jar", str(found), str(references), *options)
    return float(re.findall(r"Final score:\s+(\S+)", said)[0]), [float(score) for score in re.findall(r"Segment \d+ score:\s+(\S+)", said)]


def record() -> dict[str, Any]:
    examples = grammar.examples()
    captions = CAPTIONS.read_text(encoding="utf-8").splitlines()
    return {
        "examples": grammar.digest(examples),
        **{name: values if isinstance(values, float) else [round(value, 9) for value in values] for name, values in coco.scores(examples).items()},
        "meteor": [round(score, 9) for score in exact_meteor(examples)[1]],
        "meteor_distinct_corpus": exact_meteor(grammar.distinct(examples))[0],
        "ptb": dict(zip(captions, map(" ".join, ptb(captions)), strict=True)),
    }


if __name__ == "__main__":
    text = json.dumps(record(), ensure_ascii=False, indent=0)
    RECORD.write_text(text + "\n", encoding="utf-8")
    print(f"{RECORD}: {len(text):,} characters")
