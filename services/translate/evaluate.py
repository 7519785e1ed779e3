"""Measures a running service on parallel sentences. `make evaluate` writes what it finds.

chrF (Popović 2015, https://aclanthology.org/W15-3049) and BLEU (Papineni et al. 2002, https://aclanthology.org/P02-1040)
of each domain and direction; how well the similarity threshold tells translations from random pairs; and how often the
terms of a glossary are kept, one that the model would not choose by itself. And how plain Japanese sentences are before
and after they are written in plain Japanese.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean

import sacrebleu

from buhin.catalogue.card import Quality
from buhin.client import TranslateClient
from buhin.common.v1 import common_pb2
from buhin.config import ClientSettings
from buhin.models.store import ModelStore
from buhin.text.embeddings import SentenceEncoder
from services.translate.engines.plain import PlainJapanese
from services.translate.reasons import MAX_KANJI_GRADE, MIN_SIMILARITY

DOMAINS = {"everyday_ja_en.tsv": "everyday sentences (Tatoeba)", "meeting_ja_en.tsv": "meetings (AMI parallel corpus)"}
LANGUAGES = {"ja": "Japanese", "en": "English"}
SENTENCES, PAIRS, GLOSSARY_SENTENCES, PLAIN_SENTENCES, BATCH = 60, 1_000, 40, 30, 20
LEAST_PLAIN = 30
"""Characters of a sentence that is worth making plain."""
GLOSSARY = {
    "リモコン": "remote handset", "ボタン": "push key", "会議": "council session", "テレビ": "TV receiver",
    "機能": "facility", "市場": "marketplace", "学校": "academy", "先生": "instructor", "病院": "medical center",
    "電車": "railway car", "手紙": "written notice", "新聞": "gazette",
}  # fmt: skip

Row = tuple[str, str]


def rows(file: Path, limit: int) -> list[Row]:
    """Japanese and English sentences, spread evenly over the file."""
    found = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    step = max(1, len(found) // limit)
    return [(row[0], row[1]) for row in found[::step]][:limit]


def translations(
    client: TranslateClient,
    sentences: Sequence[str],
    source: str,
    target: str,
    glossary: Mapping[str, str] | None = None,
) -> tuple[list[str], common_pb2.ModelRef]:
    """The translations, and the model that made them."""
    written: list[str] = []
    model = common_pb2.ModelRef()
    for start in range(0, len(sentences), BATCH):
        answer = client.translate_text(
            sentences[start : start + BATCH], source=source, target=target, glossary=glossary
        )
        written += [translation.translated_text for translation in answer.translations]
        model = answer.provenance.models[0]
    return written, model


def quality(client: TranslateClient, pairs: Sequence[Row], domain: str, source: str, target: str) -> Iterator[Quality]:
    """chrF and BLEU of a direction, 0 to 100."""
    given, reference = zip(*(pair if source == "ja" else reversed(pair) for pair in pairs), strict=True)
    written, model = translations(client, given, source, target)
    bleu = sacrebleu.corpus_bleu(written, [reference], tokenize="char" if target == "ja" else "13a")
    for name, score in (("chrF", sacrebleu.corpus_chrf(written, [reference]).score), ("BLEU", bleu.score)):
        yield Quality(
            measure=f"{name}, {LANGUAGES[source]} to {LANGUAGES[target]}",
            value=round(score, 1),
            dataset=f"{domain}, {len(pairs)} sentences",
            model_id=model.model_id,
            model_digest=model.digest,
        )


def adherence(client: TranslateClient, pairs: Sequence[Row]) -> Iterator[Quality]:
    """Share of the terms of GLOSSARY that their sentences have and their translations keep."""
    sentences = [japanese for japanese, _ in pairs if any(term in japanese for term in GLOSSARY)][:GLOSSARY_SENTENCES]
    for name, glossary in (("with the glossary", GLOSSARY), ("without it, for comparison", None)):
        written, model = translations(client, sentences, "ja", "en", glossary)
        kept = [
            meaning.casefold() in translation.casefold()
            for sentence, translation in zip(sentences, written, strict=True)
            for term, meaning in GLOSSARY.items()
            if term in sentence
        ]
        yield Quality(
            measure=f"glossary adherence, Japanese to English, {name}",
            value=round(sum(kept) / len(kept), 3),
            dataset=f"{len(sentences)} sentences of both domains, {len(kept)} terms of {len(GLOSSARY)} unusual ones",
            model_id=model.model_id,
            model_digest=model.digest,
        )


def plain(client: TranslateClient, pairs: Sequence[Row]) -> Iterator[Quality]:
    """Length, easy words and kanji of sentences as they were said, and as they are written in plain Japanese."""
    sentences = [japanese for japanese, _ in pairs if len(japanese) >= LEAST_PLAIN][:PLAIN_SENTENCES]
    written, model = translations(client, sentences, "ja", "ja-x-easy")
    measure = PlainJapanese().measure
    dataset = f"meetings (AMI parallel corpus), {len(sentences)} sentences of at least {LEAST_PLAIN} characters"
    for name, found in (("as said", map(measure, sentences)), ("in plain Japanese", map(measure, written))):
        each = list(found)
        for what, value in (
            ("mean characters of a sentence", mean(one.mean for one in each)),
            ("share of easy words", mean(one.easy_share for one in each)),
            ("share without kanji beyond primary school", mean(one.highest_grade <= MAX_KANJI_GRADE for one in each)),
        ):
            yield Quality(
                measure=f"{what}, {name}",
                value=round(value, 3),
                dataset=dataset,
                model_id=model.model_id,
                model_digest=model.digest,
            )


def check(encoder: SentenceEncoder, pairs: Sequence[Row], domain: str) -> Iterator[Quality]:
    """Share of true pairs, and of random pairs, below the threshold of similarity."""
    japanese, english = (encoder.encode([row[side] for row in pairs]) for side in (0, 1))
    shuffled = list(range(len(pairs)))
    random.Random(0).shuffle(shuffled)  # noqa: S311 - not for secrets
    for name, similarity in (
        ("true", (japanese * english).sum(axis=1)),
        ("random", (japanese * english[shuffled]).sum(axis=1)),
    ):
        yield Quality(
            measure=f"share of {name} pairs flagged by similarity below {MIN_SIMILARITY}",
            value=round(float((similarity < MIN_SIMILARITY).mean()), 3),
            dataset=f"{domain}, {len(pairs)} pairs",
            model_id=encoder.model.model_id,
            model_digest=encoder.model.digest,
        )


def figures(data: Path, settings: ClientSettings) -> Iterator[Quality]:
    """Every figure of the service."""
    encoder = SentenceEncoder(ModelStore.from_settings(settings).open("use-multilingual-v3"))
    everything: list[Row] = []
    with TranslateClient(settings=settings) as client:
        for file, domain in DOMAINS.items():
            path = data / "translation" / file
            for source, target in (("ja", "en"), ("en", "ja")):
                yield from quality(client, rows(path, SENTENCES), domain, source, target)
            yield from check(encoder, rows(path, PAIRS), domain)
            everything += rows(path, 2 * PAIRS)
        yield from adherence(client, everything[::-1])
        yield from plain(client, rows(data / "translation" / "meeting_ja_en.tsv", 2 * PAIRS))
