"""The sentences of minutes: written by the model one by one, each checked against what it was written from."""

from __future__ import annotations

from dataclasses import dataclass

from buhin.engine import Stop
from buhin.text.checks import LARGEST_WRITTEN_OUT, numbers, spelled_numbers
from buhin.text.embeddings import SentenceEncoder
from buhin.text.generator import Generator, Prompt
from buhin.text.sentences import Span, split
from services.summarize.engine import NO_SPACES, Citation, Options, Sentence
from services.summarize.engines import commitments, minutes_prompts, prompts
from services.summarize.engines.cues import Kind
from services.summarize.engines.minutes_plan import Item, Said
from services.summarize.engines.names import foreign_names
from services.summarize.engines.speakers import Utterance, utterances

_TOPIC_CHARACTERS, _TITLE_CHARACTERS = 500, 40
_SPELLED_OUT = {"ja", "en", "zh"}
"""Languages whose small numbers are known when they are written as words."""
_CITATION_MARGIN, _CITATIONS = 0.15, 3


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
        """One sentence about a statement; None where the model writes nothing."""
        before, after = self.said.around(item.place)
        prompt = minutes_prompts.to_write_item(
            self.said.line(item.place),
            "\n".join(map(self.said.line, before)),
            "\n".join(map(self.said.line, after)),
            self.options.source,
        )
        text, finished = self._generate(prompt)
        if not text:
            return None
        speaker, owner, answer, due = self.said.utterances[item.place].speaker, "", None, ""
        if item.kind is Kind.ACTION:
            owner, answer = self._owner(item.place)
            due = commitments.due(self._statement(item.place))
        standing = [place for place in (item.place, answer) if place is not None]
        places = sorted({*before, *standing, *after})
        return Written(item, self._checked(text, finished, places, standing), speaker, owner, due)

    def title(self, topic: range) -> str:
        """What a topic is about; where the model writes something else, the beginning of the topic."""
        talk = "\n".join(self._statement(place) for place in topic)[:_TOPIC_CHARACTERS]
        title, _ = self._generate(minutes_prompts.to_write_title(talk, self.options.source))
        title = title.strip('#*-「」"。. ')
        fits = 0 < len(title) <= _TITLE_CHARACTERS * (1 if self.options.target in NO_SPACES else 2)
        known = numbers(talk, least=0) | spelled_numbers(talk)
        return title if fits and numbers(title, least=0) <= known else f"{talk.splitlines()[0][:_TITLE_CHARACTERS]}…"

    def _generate(self, prompt: Prompt) -> tuple[str, bool]:
        written = self.generator.generate(prompt, stop=self.stop)
        text = _first(written.text, self.said.labels)
        if self.options.target == self.options.source or not text:
            return text, written.finished
        translation = prompts.to_translate(text, self.options.source, self.options.target)
        translated = self.generator.generate(translation, stop=self.stop)
        return " ".join(translated.text.split()), written.finished and translated.finished

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
