"""What must survive a translation as it is: terms, numbers, addresses, placeholders."""

from __future__ import annotations

import re
from dataclasses import dataclass

from buhin.text.checks import LARGEST_WRITTEN_OUT, numbers, spelled_numbers
from services.translate.engine import Options

_EXACT = re.compile(
    r"(?P<url>https?://[A-Za-z0-9._~:/?#@!$&*+,;=%-]*[A-Za-z0-9_~/#=&%+-])"
    r"|(?P<email>[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"
    r"|(?P<placeholder>\$?\{\{?[\w.:-]{1,64}\}?\}|%(?:\(\w+\))?[sdif](?![A-Za-z]))"
    r"|(?P<tag></?[A-Za-z][A-Za-z0-9-]{0,20}(?:\s+[\w-]{1,30}=\"[^\"<>\s]{0,200}\")*\s*/?>)"
)
_SPELLED = {"ja", "en", "zh"}
"""Languages whose small numbers and months are known when they are written as words."""


@dataclass(frozen=True)
class Lost:
    """What a sentence has and its translation has not. ``terms`` are pairs of a term and its translation."""

    terms: tuple[tuple[str, str], ...]
    numbers: tuple[str, ...]
    exact: tuple[str, ...]

    @property
    def needed(self) -> list[str]:
        """What the translation should have contained."""
        return [*(meaning for _, meaning in self.terms), *self.exact, *self.numbers]


def lost(source: str, target: str, options: Options) -> Lost:
    """Compare a sentence with its translation.

    Numbers may be grouped and, up to 12 where the language is known, written out; all else must be there exactly.
    """
    exact = tuple(dict.fromkeys(m.group() for m in _EXACT.finditer(source) if m.group() not in target))
    least = 0 if {options.source, options.target} <= _SPELLED else LARGEST_WRITTEN_OUT
    given, kept = numbers(_EXACT.sub(" ", source), least=least), numbers(target, least=0) | spelled_numbers(target)
    terms = tuple(
        (term, meaning)
        for term, meaning in options.glossary.items()
        if term.casefold() in source.casefold() and meaning.casefold() not in target.casefold()
    )
    return Lost(terms, tuple(sorted(given - kept)), exact)
