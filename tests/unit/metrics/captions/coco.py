"""The field's own implementation, pycocoevalcap, on words instead of sentences. Needs the package, no Java."""

from __future__ import annotations

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from tests.unit.metrics.captions import grammar


def scores(examples: list[grammar.Example]) -> dict[str, list[float]]:
    """BLEU-1..4 of the corpus, ROUGE-L and CIDEr-D of each example."""
    references = {k: [" ".join(words) for words in example.references] for k, example in enumerate(examples)}
    candidates = {k: [" ".join(example.candidate)] for k, example in enumerate(examples)}
    return {
        "bleu": [float(value) for value in Bleu(4).compute_score(references, candidates, verbose=0)[0]],
        "rouge_l": Rouge().compute_score(references, candidates)[1].tolist(),
        "cider_d": Cider().compute_score(references, candidates)[1].tolist(),
    }
