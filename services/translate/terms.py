"""The terms of a request and of the shared glossary that it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from buhin.errors import InputTooLargeError
from buhin.review import Notice
from buhin.text import glossary
from buhin.text.checks import require_length, require_text
from buhin.text.languages import PLAIN_JAPANESE
from buhin.translate.v1 import translate_pb2

MAX_TERMS = 500
MAX_TERM_CHARACTERS = 64


class Terms:
    """Checked terms. Raises InputTooLargeError, EmptyInputError or InvalidValueError with the path of the field at
    fault, which begins with ``field``.
    """

    def __init__(self, request: translate_pb2.Glossary, folder: Path | None, field: str) -> None:
        self._id = request.glossary_id
        self._field = field
        texts = {
            f"{field}.terms[{number}].{name}": text
            for number, term in enumerate(request.terms)
            for name, text in (("source", term.source), ("target", term.target))
        }
        texts |= {f"{field}.do_not_translate[{number}]": term for number, term in enumerate(request.do_not_translate)}
        for name, count in (("terms", len(request.terms)), ("do_not_translate", len(request.do_not_translate))):
            if count > MAX_TERMS:
                raise InputTooLargeError(field=f"{field}.{name}", size=count, unit="terms", limit=MAX_TERMS)
        for name, text in texts.items():
            require_text(text, name)
            require_length(len(text), MAX_TERM_CHARACTERS, name)
        self._rows = glossary.load(folder, self._id, f"{field}.glossary_id") if self._id else []
        self._own = {term.source: term.target for term in request.terms}
        self._own |= {term: term for term in request.do_not_translate}

    def of(self, source: str, target: str) -> dict[str, str]:
        """The terms that hold in a direction. Those of the request go before those of the shared glossary."""
        return self._shared(source, target) | self._own

    def unused(self, source: str, target: str) -> Iterator[Notice]:
        """Says that the shared glossary has nothing for a direction."""
        if self._id and not self._shared(source, target):
            yield Notice(
                "GLOSSARY_WITHOUT_LANGUAGE",
                f"the glossary has no terms from {source} to {target}",
                f"この用語集には {source} から {target} への用語がありません",
                f"{self._field}.glossary_id",
            )

    def _shared(self, source: str, target: str) -> dict[str, str]:
        by_way = glossary.pairs(self._rows, source, "ja") if target == PLAIN_JAPANESE and source != "ja" else {}
        return by_way | glossary.pairs(self._rows, source, target)
