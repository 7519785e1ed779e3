"""Translation by a text generator, checked by sentence embeddings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from buhin.engine import LoadedModel, Stop
from buhin.text.embeddings import SentenceEncoder
from buhin.text.generator import Generator, Prompt, Quality
from buhin.text.injection import looks_like_an_instruction
from buhin.text.languages import PLAIN_JAPANESE
from buhin.text.sentences import MAX_SENTENCE_CHARACTERS, Span, split
from services.translate.engine import Options, Pair, Translation
from services.translate.engines.plain import PlainJapanese
from services.translate.engines.prompts import TOKENS_A_CHARACTER, TOKENS_AT_LEAST, to_translate
from services.translate.engines.quoting import unquoted
from services.translate.engines.simplifier import Simplifier, Written, clean
from services.translate.kept import is_question, lost, masked, unmasked

MIN_GUARDED_SIMILARITY = 0.5
"""What was written for a guarded sentence and is less like it is taken for an answer to it."""
_NO_SPACES = {"ja", "zh", "th"}
"""Languages whose sentences stand side by side without a space."""
_LETTER = re.compile(r"[^\W\d_]")
_PROMPT_TOKENS = 300
"""Tokens of what a model that follows instructions is told around a sentence; long lists of terms take more."""


class ComposedTranslator:
    """A TranslateEngine on any Generator. Sentences of all requests share its slots.

    Plain Japanese is a target where the generator follows instructions and the text is Japanese or can become it.
    """

    def __init__(self, generator: Generator, encoder: SentenceEncoder, *, slots: int) -> None:
        self._generator = generator
        self._encoder = encoder
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="sentence")
        self.name = generator.name
        self.version = generator.version
        self.directions: Mapping[tuple[str, str], Quality] = dict(generator.directions) | _into_plain(generator)
        self.models: Sequence[LoadedModel] = (generator.model, encoder.model)
        room = generator.context_tokens
        if generator.follows_instructions:
            room = (room - _PROMPT_TOKENS - TOKENS_AT_LEAST) // (1 + TOKENS_A_CHARACTER)
        self._max_characters = max(1, min(MAX_SENTENCE_CHARACTERS, room))

    def warm_up(self) -> None:
        """Translate a sentence for real, from Japanese into English where the model can."""
        direction = min(self.directions, key=lambda pair: (pair != ("ja", "en"), pair))
        sentence = "こんにちは。" if direction[0] == "ja" else "Hello."
        if not self.translate(sentence, Options(*direction), Stop()).text:
            raise RuntimeError("the model translates into nothing")

    def close(self) -> None:
        """Free the model."""
        self._pool.shutdown(cancel_futures=True)
        self._generator.close()

    def translate(self, content: str, options: Options, stop: Stop) -> Translation:
        """Sentence by sentence: a small model keeps more of a sentence than of a paragraph. A sentence that is too long
        for the model's context is cut. All are guarded where one of them seems to be an instruction.
        """
        spans = split(content, max_characters=self._max_characters)
        sentences = [span.of(content) for span in spans]
        guarded = self._generator.follows_instructions and any(map(looks_like_an_instruction, sentences))
        write = self._simplified if options.target == PLAIN_JAPANESE else self._translated
        written = list(self._pool.map(lambda sentence: write(sentence, options, guarded, stop), sentences))
        texts = [each.text for each in written]
        similarities = (self._encoder.encode(sentences) * self._encoder.encode(texts)).sum(axis=1)
        plainness = None
        if options.target == PLAIN_JAPANESE:
            plainness = self._plain.measure(_join(content, spans, texts, options.language)[0])
            if options.furigana:
                texts = [self._plain.with_furigana(text) for text in texts]
        text, targets = _join(content, spans, texts, options.language)
        pairs = [
            Pair(source, target, float(similarity), each.finished, each.kept)
            for source, target, similarity, each in zip(spans, targets, similarities, written, strict=True)
        ]
        return Translation(text, tuple(pairs), plainness)

    def _translated(self, sentence: str, options: Options, guarded: bool, stop: Stop) -> Written:
        """Translate a sentence, once more where it lost something, and keep what lost less. A ``guarded`` one is quoted
        to the model, and left as it is where what the model wrote is not its translation.
        """
        if not _LETTER.search(sentence):
            return Written(sentence)
        written = self._write(sentence, to_translate(sentence, options, quote=guarded), guarded, stop)
        if not guarded and self._seems_answered(sentence, written.text):
            quoted = self._write(sentence, to_translate(sentence, options, quote=True), True, stop)
            written = quoted if quoted.text else written
        if missing := lost(sentence, written.text, options).needed:
            second = self._again(sentence, options, missing, guarded, stop)
            if second and len(lost(sentence, second.text, options).needed) < len(missing):
                written = second
        if guarded and not self._is_translation(sentence, written.text):
            return Written(sentence, kept=True)
        return written

    def _again(
        self, sentence: str, options: Options, missing: Sequence[str], guarded: bool, stop: Stop
    ) -> Written | None:
        """A second try that tells the model what is missing or, where it cannot be told, hides that from it."""
        if self._generator.follows_instructions:
            return self._write(sentence, to_translate(sentence, options, needed=missing, quote=guarded), guarded, stop)
        hidden, stand = masked(sentence, options)
        written = self._write(hidden, to_translate(hidden, options), False, stop)
        text = unmasked(written.text, stand)
        return None if text is None else Written(text, written.finished)

    def _simplified(self, sentence: str, options: Options, guarded: bool, stop: Stop) -> Written:
        """Rewrite a sentence in plain Japanese, by way of Japanese."""
        if options.source == "ja":
            return self._simplifier.simplify(sentence, options, stop, guarded=guarded)
        japanese = self._translated(sentence, Options(options.source, "ja", options.glossary), guarded, stop)
        if japanese.kept:
            return japanese
        terms = {meaning: meaning for meaning in options.glossary.values()}
        plain_options = Options("ja", PLAIN_JAPANESE, terms)
        plain = self._simplifier.simplify(japanese.text, plain_options, stop, guarded=guarded)
        return Written(plain.text, plain.finished and japanese.finished, plain.kept)

    def _write(self, sentence: str, prompt: Prompt, quote: bool, stop: Stop) -> Written:
        """What the model writes; nothing where it was to say what a note says and wrote no note."""
        generation = self._generator.generate(prompt, stop=stop)
        text = unquoted(generation.text) or "" if quote else generation.text
        return Written(clean(sentence, text), generation.finished)

    def _seems_answered(self, sentence: str, text: str) -> bool:
        """Whether the question is gone. Only a model that follows instructions answers."""
        return self._generator.follows_instructions and is_question(sentence) and not is_question(text)

    def _is_translation(self, sentence: str, text: str) -> bool:
        alike = bool(text) and self._similarity(sentence, text) >= MIN_GUARDED_SIMILARITY
        return alike and not self._seems_answered(sentence, text)

    def _similarity(self, sentence: str, translation: str) -> float:
        first, second = self._encoder.encode([sentence, translation])
        return float(first @ second)

    @cached_property
    def _plain(self) -> PlainJapanese:
        return PlainJapanese()

    @cached_property
    def _simplifier(self) -> Simplifier:
        return Simplifier(self._generator, self._plain, self._similarity)


def _into_plain(generator: Generator) -> dict[tuple[str, str], Quality]:
    if not generator.follows_instructions:
        return {}
    sources = {"ja"} | {source for source, target in generator.directions if target == "ja"}
    return {(source, PLAIN_JAPANESE): Quality.WEAK for source in sources}


def _join(content: str, spans: list[Span], translations: list[str], language: str) -> tuple[str, list[Span]]:
    """The translations with the line breaks and margins of the content, and where each stands."""
    text = content[: spans[0].start] if spans else content
    places = []
    for n, translation in enumerate(translations):
        places.append(Span(len(text), len(text) + len(translation)))
        text += translation
        gap = content[spans[n].end : spans[n + 1].start if n + 1 < len(spans) else len(content)]
        if n + 1 < len(spans) and "\n" not in gap:
            gap = "" if language in _NO_SPACES else " "
        text += gap
    return text, places
