"""The sentences of minutes: written by the model one by one, each checked against what it was written from."""

from __future__ import annotations

from dataclasses import dataclass

from buhin.engine import Stop
from buhin.text.checks import LARGEST_WRITTEN_OUT, numbers, spelled_numbers
from buhin.text.embeddings import SentenceEncoder
from buhin.text.generator import Generator
from buhin.text.sentences import Span, split
from services.summarize.engine import NO_SPACES, Citation, Options, Sentence
from services.summarize.engines import commitments, minutes_prompts, prompts
from services.summarize.engines.cues import Kind, is_open, leans
from services.summarize.engines.minutes_plan import Item, Said
from services.summarize.engines.names import foreign_names
from services.summarize.engines.speakers import Utterance, utterances

_TOPIC_CHARACTERS, _TITLE_CHARACTERS = 500, 40
_SPELLED_OUT = {"ja", "en", "zh"}
"""Languages whose small numbers are known when they are written as words."""
_CITATION_MARGIN, _CITATIONS = 0.15, 3
_LIKE = 0.5
"""Cosine similarity to the statement below which a sentence says something else."""


@dataclass(frozen=True)
class Written:
    """A sentence, who says it and, of an action, who does it and by when."""

    item: Item
    sentence: Sentence
    speaker: str
    owner: str = ""
    due: str = ""


@dataclass(frozen=True)
class Writer:
    """Writes the sentences and the titles, each checked against what it was written from."""

    said: Said
    options: Options
    generator: Generator
    encoder: SentenceEncoder
    stop: Stop

    def item(self, item: Item) -> Written | None:
        """One sentence about a statement; None where a translation of it is empty."""
        written, finished = self._write(item)
        text, translated = self._translate(written)
        if not text:
            return None
        speaker, owner, answer, due = self.said.utterances[item.place].speaker, "", None, ""
        if item.kind is Kind.ACTION:
            owner, answer = self._owner(item.place)
            due = commitments.due(self._statement(item.place))
        standing = [place for place in (item.place, answer) if place is not None]
        places = sorted({*self.said.before(item.place), *standing})
        sentence = self._checked(text, finished and translated, places, standing)
        return Written(item, sentence, speaker, owner, due)

    def _write(self, item: Item) -> tuple[str, bool]:
        """What the model makes of a statement, as long as it says the same; otherwise the statement as it is.

        What was said before is shown only where it does not stand alone, and who speaks only where he may be the one
        who does it: a small model writes about them otherwise.
        """
        statement, before = self._statement(item.place), self.said.before(item.place)
        does = item.kind is Kind.ACTION or commitments.speaks_of_himself(statement)
        line = self.said.line(item.place) if does else statement
        for shown in [before, []] if before and leans(statement, self.options.source) else [[]]:
            lines = "\n".join(map(self.said.line, shown))
            prompt = minutes_prompts.to_write_item(line, lines, self.options.source)
            written = self.generator.generate(prompt, stop=self.stop)
            text = _first(written.text, self.said.labels)
            if written.finished and text and self._says(text, item, f"{lines}\n{line}", shown):
                return text, True
        return statement, True

    def _says(self, text: str, item: Item, source: str, shown: list[int]) -> bool:
        """Whether a sentence says what a statement says: its numbers and no others, no names but those of ``source``,
        still open if it is open and only then, and like it more than like what was ``shown`` before it.
        """
        statement = self._statement(item.place)
        wanted, found = numbers(statement, least=0), numbers(text, least=0)
        if not (wanted <= found | spelled_numbers(text) and found <= wanted | spelled_numbers(statement)):
            return False
        if foreign_names(text, source, self.said.labels, same_language=True) or is_open(text) != is_open(statement):
            return False
        vector = self.encoder.encode([text])[0]
        likeness = float(self.said.vectors[item.place] @ vector)
        others: list[float] = (self.said.vectors[shown] @ vector).tolist()
        return likeness >= max([_LIKE, *others])

    def title(self, topic: range) -> str:
        """What a topic is about; where the model writes something else, the beginning of the topic."""
        talk = "\n".join(self._statement(place) for place in topic)[:_TOPIC_CHARACTERS]
        written = self.generator.generate(minutes_prompts.to_write_title(talk, self.options.source), stop=self.stop)
        title, _ = self._translate(_first(written.text, self.said.labels))
        title = title.strip('#*-「」"。. ')
        fits = 0 < len(title) <= _TITLE_CHARACTERS * (1 if self.options.target in NO_SPACES else 2)
        known = numbers(talk, least=0) | spelled_numbers(talk)
        return title if fits and numbers(title, least=0) <= known else f"{talk.splitlines()[0][:_TITLE_CHARACTERS]}…"

    def _translate(self, text: str) -> tuple[str, bool]:
        """A text in the language of the summary, and whether it is whole."""
        if self.options.target == self.options.source or not text:
            return text, True
        translation = prompts.to_translate(text, self.options.source, self.options.target)
        translated = self.generator.generate(translation, stop=self.stop)
        return " ".join(translated.text.split()), translated.finished

    def _checked(self, text: str, finished: bool, places: list[int], standing: list[int]) -> Sentence:
        """The sentence with its citations among ``places``, of which ``standing`` are cited in any case."""
        said, options = self.said, self.options
        source = "\n".join(map(said.line, places))
        same = options.source == options.target
        least = 0 if same or {options.source, options.target} <= _SPELLED_OUT else LARGEST_WRITTEN_OUT
        vector, whole = self.encoder.encode([text, source])
        likeness = dict(zip(places, (said.vectors[places] @ vector).tolist(), strict=True))
        order = sorted(places, key=lambda place: -likeness[place])
        best = likeness[order[0]]
        near = [place for place in order if likeness[place] >= best - _CITATION_MARGIN][:_CITATIONS]
        cited = [place for place in order if place in near or place in standing]
        return Sentence(
            text,
            tuple(Citation(said.utterances[place].span, likeness[place]) for place in cited),
            support=max(0.0, best, float(whole @ vector)),
            foreign_numbers=frozenset(numbers(text, least=least) - numbers(source, least=0) - spelled_numbers(source)),
            finished=finished,
            foreign_names=foreign_names(text, source, said.labels, same_language=same),
        )

    def _owner(self, place: int) -> tuple[str, int | None]:
        """Who does what is promised or asked; and the place of the answer that takes it on, where that tells."""
        each = self.said.utterances[place]
        owner = commitments.owner(self._statement(place), each.speaker, self.said.labels)
        if owner or place + 1 == len(self.said.utterances):
            return owner, None
        speaker = self.said.utterances[place + 1].speaker
        takes = speaker not in ("", each.speaker) and commitments.accepts(self._statement(place + 1))
        return (speaker, place + 1) if takes else ("", None)

    def _statement(self, place: int) -> str:
        return self.said.utterances[place].span.of(self.said.text)


def _first(written: str, labels: frozenset[str]) -> str:
    """The first sentence that was written, without marks, a bullet or a label of a speaker before it."""
    text = written.replace("【", "").replace("】", "").removeprefix("- ")
    said = next((each for each in utterances(text) if not each.speaker or each.speaker in labels), None)
    if said is None:
        said = Utterance(next(iter(split(text)), Span(0, 0)), "")
    return said.span.of(text)
