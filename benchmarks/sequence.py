"""What the sequence systems are measured against, on the very splits of their recipes: controls that learn nothing, or only count.

python benchmarks/sequence.py entropy recipes/char_rnn.yaml             bits a piece of counting models of order 0 to 6
python benchmarks/sequence.py planted words.txt                         a text in which 60 words were parted in two at random each time they come
python benchmarks/sequence.py synonyms RUN                              of a word2vec run on that text: how often the other half is the nearest word
python benchmarks/sequence.py similarity RUN wordsim353.tsv             Spearman's rank correlation with people's judgement, against random vectors
"""

from __future__ import annotations

import argparse
import math
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from kvision import catalog
from kvision.data.text import manual
from kvision.data.text.vocabulary import Words

ORDERS = 7
HALVES = ("_a", "_b")


def entropy(recipe: str, overrides: list[str]) -> None:
    """Bits a piece of Witten and Bell's interpolated counts (1991), which have nothing to tune, over the pieces that the system is judged on."""
    resolved = catalog.load(recipe, overrides)
    options = resolved.recipe.data
    source: Any = catalog.source(options.source)(options, seed=resolved.recipe.train.seed, base=resolved.base)
    train, val = (source._numbers[name].tolist() for name in ("train", "val"))
    windows = len(source.split("val"))
    counted = range(options.context + 1, options.context + 1 + windows * options.max_length)
    follow: list[dict[tuple[int, ...], Counter[int]]] = [defaultdict(Counter) for _ in range(ORDERS)]
    for place, piece in enumerate(train):
        for order in range(min(ORDERS, place + 1)):
            follow[order][tuple(train[place - order : place])][piece] += 1
    bits = np.zeros(ORDERS)
    for place in counted:
        probability = 1.0 / (source.info.texts.vocabulary.size - 3)  # padding, start and end never come
        for order in range(ORDERS):
            seen = follow[order].get(tuple(val[place - order : place]))
            if seen is not None:
                total, kinds = seen.total(), len(seen)
                probability = (seen[val[place]] + kinds * probability) / (total + kinds)
            bits[order] -= math.log2(probability)
    for order, value in enumerate(bits / len(counted)):
        print(f"order {order}: {value:.3f} bits a piece")
    print(f"{len(counted):,} pieces counted, {len(train):,} trained on")


def planted(out: str, words: int = 60, seed: int = 0) -> None:
    """Python's manual, in which each of the words of rank 40 to 40 + `words` is written in one of two ways, at random."""
    text = Words([]).split(manual.text())
    chosen = {word for word, _ in Counter(text).most_common(40 + words)[40:]}
    generator = np.random.default_rng(seed)
    Path(out).write_text(" ".join(word + HALVES[generator.integers(2)] if word in chosen else word for word in text), encoding="utf-8")


def vectors(run: str) -> tuple[list[str], np.ndarray]:
    """The words of a run, special ones left out, and their vectors `[V, D]`, of length 1."""
    from kvision.commands import trained

    system: Any = trained.open_session(trained.find(Path(run))).system
    table = system.net.weights[0].numpy()[4:]
    return list(system._texts.vocabulary.tokens[4:]), table / np.linalg.norm(table, axis=1, keepdims=True)


def synonyms(run: str) -> None:
    """The share of halves whose nearest word is their other half; random vectors beside it."""
    words, table = vectors(run)
    numbers = {word: number for number, word in enumerate(words)}
    pairs = [
        (numbers[word], numbers[word[:-2] + HALVES[1 - HALVES.index(word[-2:])]]) for word in words if word[-2:] in HALVES and _other(word) in numbers
    ]
    for name, given in (("trained", table), ("random", _random(table))):
        cosine = given @ given.T
        np.fill_diagonal(cosine, -2.0)
        right = np.mean([cosine[one].argmax() == other for one, other in pairs])
        print(f"{name}: nearest word is the other half for {right:.3f} of {len(pairs)} words among {len(words)}")


def similarity(run: str, file: str) -> None:
    """Spearman's correlation over the pairs both of whose words the run knows."""
    from scipy.stats import spearmanr

    words, table = vectors(run)
    numbers = {word: number for number, word in enumerate(words)}
    rows = [line.lower().split("\t") for line in Path(file).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    known = [(numbers[row[0]], numbers[row[1]], float(row[2])) for row in rows if row[0] in numbers and row[1] in numbers]
    judged = [value for *_, value in known]
    for name, given in (("trained", table), ("random", _random(table))):
        cosine = [given[one] @ given[other] for one, other, _ in known]
        found = spearmanr(cosine, judged)
        print(f"{name}: rank correlation {found.statistic:.3f} (p {found.pvalue:.2g}) over {len(known)} of {len(rows)} pairs")


def _other(word: str) -> str:
    return word[:-2] + HALVES[1 - HALVES.index(word[-2:])]


def _random(table: np.ndarray) -> np.ndarray:
    drawn = np.random.default_rng(0).standard_normal(table.shape)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("entropy", "planted", "synonyms", "similarity"))
    parser.add_argument("rest", nargs="+")
    given = parser.parse_args()
    if given.what == "entropy":
        entropy(given.rest[0], given.rest[1:])
    else:
        {"planted": planted, "synonyms": synonyms, "similarity": similarity}[given.what](*given.rest)
