"""Words of a caption as the COCO captions' evaluation takes them: Penn Treebank tokens in lower case without punctuation.

Paper: Marcus 1993, "Building a large annotated corpus of English: the Penn Treebank"; the rules that captions need of Stanford's PTBTokenizer
3.4.1 with `-lowerCase`, which the COCO evaluation starts in Java.
Deviations: rarer tokens of that program, such as telephone numbers, file names and most smileys, are split as other text is.
What looks odd is that program's: brackets stay as `-lrb-`, `!!` and `&` stay, € becomes $ and £ becomes #.
"""

from __future__ import annotations

import re

_PUNCTUATION = re.compile(r"['\"`.-]+|[?!,:;]")
"""Tokens that are left out. Brackets are not among them: the evaluation's list has them in capitals, and the tokens are in lower case."""
_BRACKETS = str.maketrans({"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"})
_ABBREVIATIONS = r"""
    adj|adm|adv|al|apr|asst|assn|assoc|aug|ave|bldg|blvd|bros|brig|calif|capt|cf|co|col|colo|comdr|conn|corp|cpl|ct|dec|
    dept|det|dr|elec|ens|esq|est|etc|ext|feb|fla|fri|ft|gen|gov|hon|inc|ind|insp|intl|jan|jr|jul|jun|kan|ky|lt|ltd|maj|
    mar|md|messrs|mfg|mich|minn|mo|mon|mr|mrs|ms|msgr|mt|neb|nev|nov|oct|okla|ph\.d|pres|prof|pvt|rd|rep|rev|rt|sen|sep|
    sept|seq|sgt|sq|sr|st|ste|supt|tel|tenn|thu|thurs|treas|tue|tues|univ|va|vs|vt|wed|wis|wyo
"""
_BEFORE_NUMBERS = "ca|figs?|nos?|op|pp|prop"
_SPELLED = str.maketrans({
    "“": '"', "”": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "…": "...", "–": "--", "—": "--",
    "€": "$", "£": "#", "¢": " cents ", "½": "1/2", "¼": "1/4", "¾": "3/4", "\u00ad": "", "\u00a0": " ",
})  # fmt: skip
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&nbsp;": " "}
_TWO_WORDS = re.compile(r"\b(?:can(?=not\b)|gon(?=na\b)|wan(?=na\b)|got(?=ta\b)|gim(?=me\b)|lem(?=me\b))|(?<!\w)'t(?=is\b|was\b)", re.IGNORECASE)
_SUFFIX = r"(?:n't|'(?:s|m|d|re|ve|ll))(?![^\W_])"
_TOKEN = re.compile(
    rf"""
    [^\W\d_]+(?=\s)                                                               # most words, tried first for speed
    | (?:https?://|www\.)\S*[^\s.,;!?] | [\w.+-]+@[\w-]+(?:\.[\w-]+)+               # addresses
    | </?[a-z!][^<>]*>                                                            # tags
    | [:;=][-']?[()]                                                              # smileys
    | 'n' | '(?:n|em|til|cause|t)(?!\w) | (?<!\w)'\d\ds?(?!\w)                    # rock 'n' roll, '80s
    | {_SUFFIX}
    | (?:{_ABBREVIATIONS})\.(?![^\W_])                                            # Mr.
    | (?:{_BEFORE_NUMBERS})\.(?=\s*\d)                                            # no. 5
    | (?:[^\W\d_]\.){{2,}}(?:[^\W\d_](?!\w))?(?!\w)                               # a.m. U.S.
    | [^\W\d_]\.(?=\s+\S)                                                         # John B. Smith
    | (?-i:[A-Z]+(?:&[A-Z]+)+)                                                    # B&W
    | ma'am | ol' | y'(?=all\b) | [dol]'[^\W\d_]+ | c'mon\b                       # o'clock
    | [-+]?\.?\d+(?:[.,:/]\d+)+(?:-[^\W_]+)* | [-+]?\.\d+ | (?<!\S)[-+]\d+        # 1,000 3:30 1/2 .5 -5
    | [@#][^\W\d_]\w*
    | (?:(?!{_SUFFIX})[^\W_])+ (?:(?:[-/_]|(?<=[^\W\d_])[.!?](?=[^\W\d_]))(?:(?!{_SUFFIX})[^\W_])+)*
    | _+ | \*+ | [!?]+ | -+ | \.+ | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)


def tokenize(caption: str) -> list[str]:
    """The words of a caption.

    Args:
        caption: A sentence, as people write it.

    Returns:
        Words in lower case.
    """
    for entity, character in _ENTITIES.items():
        caption = caption.replace(entity, f" {character} ")
    text = _TWO_WORDS.sub(r"\g<0> ", caption.translate(_SPELLED))
    tokens = (match.group().lower() for match in _TOKEN.finditer(text))
    return [token.translate(_BRACKETS) for token in tokens if not _PUNCTUATION.fullmatch(token)]
