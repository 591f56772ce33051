"""Captioning: words one after the other, over a file with two functions, one for the picture and one for a step."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple

import numpy as np

from kvision_edge import vocabulary
from kvision_edge.errors import BundleError
from kvision_edge.postprocess import attention, decoding
from kvision_edge.postprocess.decoder import MOST, Answer, Arrays, Call, Decoder, Frame

if TYPE_CHECKING:
    from PIL import Image

    from kvision_edge.bundle import Bundle
    from kvision_edge.manifest import Manifest, Signature

ATTENTION = "alpha"
"""What a step gives that looks at places of the picture: the share of each, `[1, G]`."""


@dataclass(frozen=True)
class Caption(Answer):
    """Sentences on a picture, the best first.

    Attributes:
        sentences: In words.
        tokens: Their numbers, without padding; the end is the last.
        log_probabilities: Of each, natural, the end among its tokens.
        attention: Where the network looked at each token of the first, float32 `[T, G]`, in rows of the grid over the square; none: it has none.
        pieces: The tokens of the first one by one, without its end.
        frame: The picture.
    """

    sentences: Tuple[str, ...]
    tokens: Tuple[Tuple[int, ...], ...]
    log_probabilities: Tuple[float, ...]
    attention: Optional[np.ndarray]
    pieces: Tuple[str, ...]
    frame: Optional[Frame]

    def to_json(self) -> Dict[str, Any]:
        """The first sentence, the others, and where the network looked."""
        listed = [
            {"caption": caption, "log_probability": round(value, 6), "tokens": list(tokens)}
            for caption, value, tokens in zip(self.sentences, self.log_probabilities, self.tokens)
        ]
        found: Dict[str, Any] = {"task": "captioning", **listed[0]}
        if len(listed) > 1:
            found["others"] = listed[1:]
        if self.attention is not None:
            found["looked_at"] = [
                {"piece": piece, "shares": [round(float(share), 4) for share in row]} for piece, row in zip(self.pieces, self.attention)
            ]
        return found

    def text(self) -> str:
        """A line a sentence."""
        return "\n".join(self.sentences)

    def pictures(self, image: np.ndarray) -> Dict[str, Image.Image]:
        """Where the network looked at each word."""
        if self.attention is None or self.frame is None:
            return {}
        made = attention.sheet(image, self.frame.preprocess, self.pieces, self.attention)
        return {} if made is None else {"attention": made}


class Decode(Decoder):
    """Finds the sentences on a picture.

    The first function takes the picture. The step takes the last token under the name `token`, and by their names what the first function or
    the step before gave; it gives `logits`, what changes, and `alpha` if it looks at places of the picture.

    Args:
        manifest: The bundle's manifest; `decode`: `step` (`step`), `token` (`token`), `output` (`logits`), and the fields of `decoding.Rules`, of
            which `start` and `end` must be there, and `max_length` is 20 else.
        signatures: The functions of the file that is run.

    Raises:
        BundleError: If the settings do not fit.
    """

    def __init__(self, manifest: Manifest, signatures: Mapping[str, Signature]) -> None:
        super().__init__(manifest, signatures)
        self._rules = self._read_rules()
        self._step, self._token = str(manifest.decode.get("step", "step")), str(manifest.decode.get("token", "token"))
        self._logits = str(manifest.decode.get("output", "logits"))
        if self._step not in signatures or self._token not in signatures[self._step].inputs:
            raise BundleError(f"decode.step is {self._step!r} with the input {self._token!r}; the file has the functions {', '.join(signatures)}")
        self._inputs = signatures[self._step].inputs
        if any(size not in (-1, 1) for size in self._inputs[self._token].shape):
            raise BundleError(f"{self._step} takes {list(self._inputs[self._token].shape)} tokens at once, expected one; export the bundle again")
        self.signature = next(name for name in signatures if name != self._step)
        self._vocabulary: Optional[vocabulary.Vocabulary] = None

    def load(self, bundle: Bundle) -> None:
        """Reads the vocabulary, which must be the one that was exported."""
        bundle.content(vocabulary.NAME, bundle.manifest.checksums.get(vocabulary.NAME, ""))
        self._vocabulary = vocabulary.read(bundle.folder)

    def infer(self, call: Call, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """The picture's features, then the search: n sentences of up to T tokens.

        `tokens` int32 `[1, n, T]`, padded; `log_probability` `[1, n]`; `alpha` `[1, n, T, G]` where the step looks at places.
        """
        states = call(self.signature, inputs)
        missing = [name for name in self._inputs if name != self._token and name not in states]
        if missing:
            raise BundleError(f"{self._step} takes {', '.join(missing)}, which {self.signature} does not give; export the bundle again")

        def step(token: int, states: Arrays) -> Tuple[np.ndarray, Arrays]:
            known = {**states, self._token: np.full([max(size, 1) for size in self._inputs[self._token].shape], token)}
            given = call(self._step, {name: known[name] for name in self._inputs})
            logits = given.pop(self._logits) if self._logits in given else next(iter(given.values()))
            return logits.reshape(-1), given

        found = decoding.search(step, states, self._rules)
        if not found:
            raise BundleError(f"{self.manifest.name}: the logits of {self._step} are no numbers, so there is no sentence; export the bundle again")
        outputs = {"tokens": _stacked([np.array(each.tokens, np.int32) for each in found])}
        outputs["log_probability"] = np.array([[each.log_probability for each in found]], np.float32)
        if ATTENTION in found[0].extras[0]:
            outputs[ATTENTION] = _stacked([np.concatenate([each[ATTENTION] for each in sentence.extras]) for sentence in found])
        return outputs

    def answer(self, outputs: Arrays, frame: Optional[Frame]) -> Caption:
        """The sentences in words."""
        if self._vocabulary is None:
            raise BundleError(f"{self.manifest.name}: no vocabulary was loaded; open the bundle with kvision_edge.load")
        tokens = [tuple(int(token) for token in row if token != decoding.PAD) for row in outputs["tokens"][0]]
        said = [token for token in tokens[0] if token != self._rules.end]
        looked = outputs[ATTENTION][0, 0, : len(said)] if ATTENTION in outputs else None
        return Caption(
            tuple(self._vocabulary.decode(row) for row in tokens),
            tuple(tokens),
            tuple(float(value) for value in outputs["log_probability"][0]),
            looked,
            tuple(self._vocabulary.decode([token]) for token in said),
            frame,
        )

    def _read_rules(self) -> decoding.Rules:
        """The rules of `manifest.decode`; BundleError where they are none."""
        given = self.manifest.decode
        found: Dict[str, Any] = {"max_length": 20}
        for each in fields(decoding.Rules):
            if each.name in given and each.name != "forbidden":
                found[each.name] = self.setting(each.name, None)
        missing = [name for name in ("start", "end") if name not in found]
        if missing:
            raise BundleError(f"decode has no {' and no '.join(missing)}; export the bundle again")
        for name in ("max_length", "beam", "nbest"):
            found[name] = self.count(name, found.get(name, 1))
        for name in ("start", "end", "no_repeat", "seed"):
            found[name] = int(found.get(name, 0))
        forbidden = given.get("forbidden", ())
        if not isinstance(forbidden, (tuple, list)) or not all(isinstance(each, int) and each >= 0 for each in forbidden) or len(forbidden) > MOST:
            raise BundleError(f"decode.forbidden is {forbidden!r}, expected numbers of tokens; export the bundle again")
        least = min(found["start"], found["end"], found["no_repeat"], found.get("temperature", 0), found.get("length_alpha", 0))
        if least < 0 or not 0 < found.get("top_p", 1) <= 1:
            raise BundleError(f"decode is {dict(given)!r}, and its rules are none for a search; export the bundle again")
        return decoding.Rules(**found, forbidden=tuple(forbidden))


def _stacked(rows: Any) -> np.ndarray:
    """Rows `[t, ...]` as `[1, n, T, ...]`, zeros behind the shorter ones."""
    longest = max(len(row) for row in rows)
    return np.stack([np.pad(row, [(0, longest - len(row)), *[(0, 0)] * (row.ndim - 1)]) for row in rows])[None]
