"""A translate client that writes what a test tells it, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from buhin.common.v1 import common_pb2
from buhin.documents import marks
from buhin.translate.v1 import translate_pb2


def swapped(text: str) -> str:
    """A translation that can be undone: letters change their case, tags stay."""
    parts = marks.pieces(text)
    parts[::2] = [part.swapcase() for part in parts[::2]]
    return "".join(parts)


class FakeClient:
    """Translates by a function of one text; a text with «doubt» in it gets a reason to look."""

    def __init__(self, write: Callable[[str], str] = swapped, language: str = "en") -> None:
        self.write = write
        self.language = language
        self.calls: list[tuple[list[str], dict[str, Any]]] = []

    def detect_language(self, contents: Sequence[str]) -> translate_pb2.DetectLanguageResponse:
        """The language of the test."""
        candidate = translate_pb2.LanguageCandidate(language_code=self.language, confidence=1)
        detection = translate_pb2.LanguageDetection(candidates=[candidate] if self.language else [])
        return translate_pb2.DetectLanguageResponse(detections=[detection])

    def translate_text(self, contents: Sequence[str], **options: Any) -> translate_pb2.TranslateTextResponse:
        """Each text by the function."""
        self.calls.append((list(contents), options))
        reasons = [common_pb2.ReviewReason(code="WEAK_DIRECTION")]
        reasons += [
            common_pb2.ReviewReason(code="LOW_SIMILARITY", subject=f"translations[{n}].sentences[0]")
            for n, text in enumerate(contents)
            if "doubt" in text
        ]
        return translate_pb2.TranslateTextResponse(
            translations=[translate_pb2.Translation(translated_text=self.write(text)) for text in contents],
            review=common_pb2.Review(recommended=True, reasons=reasons),
            warnings=[common_pb2.Warning(code="SAME_LANGUAGE", field=f"contents[{n}]") for n in range(len(contents))],
        )


class AsyncFakeClient(FakeClient):
    """The async twin."""

    async def detect_language(self, contents: Sequence[str]) -> Any:  # type: ignore[override]
        """As FakeClient."""
        return super().detect_language(contents)

    async def translate_text(self, contents: Sequence[str], **options: Any) -> Any:  # type: ignore[override]
        """As FakeClient."""
        return super().translate_text(contents, **options)
