"""Figures of the captions of a whole split: against references, and, of scenes, against what is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.data.scenes import facts, lexicon
from kvision.data.scenes.content import Content
from kvision.data.text.vocabulary import END, PAD, START
from kvision.metrics.captions.corpus import Corpus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision.data.text.texts import Texts


def judge(answers: Mapping[str, np.ndarray], texts: Texts, grid: tuple[int, int], side_px: int) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """What `System.judge` says of captioners.

    Args:
        answers: `tokens` int32 `[N, T]`, `captions` bytes `[N, R]`; of scenes `content` bytes `[N]` and, with attention, `alpha` `[N, T, G]`.
        texts: The data's.
        grid: Height and width of the grid that `alpha` is of.
        side_px: Side of the pictures.

    Returns:
        Metrics; and of each example `worst`, its CIDEr-D, and `rouge_l`.
    """
    said = [texts.vocabulary.decode(row.tolist()) for row in answers["tokens"]]
    scores = Corpus([[each.decode() for each in row.tolist() if each] for row in answers["captions"]]).score(said)
    examples = {"worst": scores.examples["cider_d"], "rouge_l": scores.examples["rouge_l"]}
    if "content" not in answers:
        return scores.metrics, examples
    contents, known = [Content.from_json(each.decode()) for each in answers["content"].tolist()], lexicon.Lexicon(texts.nouns)
    counts = [facts.count(caption, content, known) for caption, content in zip(said, contents, strict=True)]
    metrics = {**scores.metrics, **facts.metrics({name: np.sum([each[name] for each in counts], axis=0) for name in counts[0]})}
    examples["truth"] = np.array([int(each["facts_true"]) / max(1, int(each["facts_stated"])) for each in counts])
    if "alpha" in answers:
        sentences = [words(row, texts) for row in answers["tokens"]]
        metrics["pointing"] = pointing(sentences, answers["alpha"].reshape(len(said), -1, *grid), contents, known)
    return metrics, examples


def words(tokens: np.ndarray, texts: Texts) -> list[str]:
    """The pieces of a sentence `[T]`, one for each token before its end."""
    numbers = tokens.tolist()
    said = numbers[: numbers.index(END)] if END in numbers else [number for number in numbers if number != PAD]
    return [texts.vocabulary.join([texts.vocabulary.tokens[number]]) for number in said if number != START]


def pointing(sentences: Sequence[Sequence[str]], looked: np.ndarray, contents: Sequence[Content], known: lexicon.Lexicon) -> float:
    """Share of the colours, sizes and nouns that name one object while the middle of the attention lies in its box.

    Args:
        sentences: Words of N captions.
        looked: `[N, T, h, w]`, where the network looked at each word.
        contents: What the pictures show.
        known: The nouns.

    Returns:
        0..1; NaN if no word names an object.
    """
    hits = [
        _within(looked[number, place], content.things[thing].box, content.side_px)
        for number, (sentence, content) in enumerate(zip(sentences, contents, strict=True))
        for place, thing in enumerate(facts.named_things(sentence, content, known))
        if thing is not None
    ]
    return float(np.mean(hits)) if hits else float("nan")


def _within(looked: np.ndarray, box: tuple[int, int, int, int], side_px: int) -> bool:
    """Whether the centre of gravity of attention `[h, w]` lies in a box of a picture of this side."""
    shares = [looked.sum(axis=1 - axis) for axis in (0, 1)]
    at = [float(share @ (np.arange(len(share)) + 0.5)) / float(share.sum()) * side_px / len(share) for share in shares]
    return box[0] <= at[0] < box[2] and box[1] <= at[1] < box[3]
