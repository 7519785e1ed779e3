"""Names of people and offices in a sentence, as far as their form tells."""

from __future__ import annotations

import re

_JA = re.compile(r"[一-龥々ァ-ヶー]{1,8}(?:さん|氏|様|課長|部長|係長|局長|市長|知事|委員長|会長|先生|担当|課|委員会)")
_EN = re.compile(r"(?<![.!?:] )(?<!^)\b[A-Z][a-z]+\b")
_HONORIFIC = re.compile(r"(?:さん|氏|様|先生)$")


def foreign_names(sentence: str, source: str, labels: frozenset[str], *, same_language: bool) -> frozenset[str]:
    """Names of a sentence that its source, with its labels of speakers, does not have.

    ``labels`` are all speakers of the text: one of another place is foreign here. In another language than that of the
    source only these are known.
    """
    found = {label for label in labels if label in sentence}
    if same_language:
        found |= {_HONORIFIC.sub("", name) for name in _JA.findall(sentence)} | set(_EN.findall(sentence))
    lower = source.lower()
    return frozenset(name for name in found if name and name.lower() not in lower)
