"""Measures a running service on the sentences of meetings. `make evaluate` writes what it finds.

The sentences follow each other as in a meeting, in Japanese and English. Every 30 are a text; of it, sentences of at
least 15 characters are measured, since the others say nothing.

* The check of support, without a writing model: the English of a sentence stands for a sentence of a summary. How often
  the right Japanese sentence is cited, how often a true sentence is marked as unsupported, and how often one of another
  text is.
* Coverage of summaries of 300 characters, 0 to 1: the mean similarity of each sentence of the text to the nearest one
  of the summary; for each method, and for sentences chosen at random, of the same length.
* Of abstractive summaries, the share of sentences that the source supports.
* Of facts planted into the middle third of 50,000 characters and asked for, the share that the summary tells.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean

import numpy as np

from buhin.catalogue.card import Quality
from buhin.client import SummarizeClient
from buhin.common.v1 import common_pb2
from buhin.config import ClientSettings
from buhin.models.store import ModelStore
from buhin.text.embeddings import SentenceEncoder, Vectors
from services.summarize.reasons import MIN_SUPPORT

SENTENCES, CHARACTERS, LEAST, TEXTS, LONG = 30, 300, 15, 20, 49_900
PLANTED = [
    ("エルム通りのプールは、神田社が8月19日までに修理します。", "プールはいつ修理されますか", ("8月19日",)),
    ("空港行きのバスは4月から450円になります。", "バスの料金はいくらですか", ("450",)),
    ("児童の予防接種は、緑町の保健所に会場が変わりました。", "予防接種の会場はどこですか", ("緑町",)),
    ("嵐で12本の木が倒れ、ほとんどが桜でした。", "木は何本倒れましたか", ("12",)),
    ("書庫の鍵は、江見さんが青い棚に保管しています。", "書庫の鍵はどこにありますか", ("青",)),
    ("北館のエレベーターについて、修理会社が木曜日に電話をくれます。", "エレベーターはどうなっていますか", ("木曜",)),
    (
        "The pool on Elm Street will be repaired by 19 August.",
        "When will the pool be repaired?",
        ("19 August", "August 19"),
    ),
    ("The bus to the airport will cost 450 yen from April.", "What will the bus cost?", ("450",)),
    ("The flu vaccination was moved to the health centre in Midori.", "Where is the vaccination?", ("Midori",)),
    ("We lost 12 trees in the storm, most of them cherry trees.", "How many trees were lost?", ("12", "twelve")),
    ("Emily keeps the key of the archive in the blue cabinet.", "Where is the key of the archive?", ("blue",)),
    ("The repair company will call on Thursday about the lift.", "What happens with the lift?", ("Thursday",)),
]
"""Facts, questions about them, and words of which an answer has one."""


def support(japanese: Sequence[Vectors], english: Sequence[Vectors]) -> dict[str, float]:
    """How well the check tells what a text says from what another one says."""
    true = [english[n] @ japanese[n].T for n in range(len(japanese))]
    other = [english[n - 1] @ japanese[n].T for n in range(len(japanese))]
    return {
        "share of sentences cited to the right place": mean(
            float((s.argmax(axis=1) == np.arange(len(s))).mean()) for s in true
        ),
        "share of true sentences marked as unsupported": mean(
            float((s.max(axis=1) < MIN_SUPPORT).mean()) for s in true
        ),
        "share of foreign sentences marked as unsupported": mean(
            float((s.max(axis=1) < MIN_SUPPORT).mean()) for s in other
        ),
    }


def coverage(text: Vectors, summary: Vectors) -> float:
    """Mean similarity of the sentences of a text to the nearest one of its summary."""
    return float((text @ summary.T).max(axis=1).mean()) if len(summary) else 0.0


def within(sentences: Sequence[str]) -> list[str]:
    """The first of the sentences that fit into the length."""
    kept: list[str] = []
    for sentence in sentences:
        if len("".join(kept)) + len(sentence) <= CHARACTERS:
            kept.append(sentence)
    return kept


def reached(client: SummarizeClient, rows: Sequence[Sequence[str]]) -> tuple[float, int]:
    """Share of the planted facts that are told, and their number."""
    told = []
    for number, (fact, query, words) in enumerate(PLANTED):
        english = fact.isascii()
        sentences = [row[english] for row in rows]
        text = "\n".join(sentences[number * 50 :])[:LONG]
        at = text.index("\n", round(len(text) * (1 / 3 + number / len(PLANTED) / 3)))
        answer = client.summarize(
            f"{text[:at]}\n{fact}{text[at:]}",
            method="abstractive",
            max_sentences=3,
            query=query,
            source="en" if english else "ja",
        )
        told.append(any(word in answer.summary for word in words))
    return mean(told), len(told)


def figures(data: Path, settings: ClientSettings) -> Iterator[Quality]:
    """Every figure of the service."""
    lines = (data / "translation" / "meeting_ja_en.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    texts = [rows[n : n + SENTENCES] for n in range(0, len(rows) - SENTENCES, SENTENCES)]
    texts = texts[:: max(1, len(texts) // TEXTS)][:TEXTS]
    encoder = SentenceEncoder(ModelStore.from_settings(settings).open("use-multilingual-v3"))
    dataset = f"meetings (AMI parallel corpus), {len(texts)} texts of {SENTENCES} Japanese sentences"

    def figure(measure: str, value: float, model: common_pb2.ModelRef | None = None, dataset: str = dataset) -> Quality:
        return Quality(
            measure=measure,
            value=round(value, 3),
            dataset=dataset,
            model_id=model.model_id if model else encoder.model.model_id,
            model_digest=model.digest if model else encoder.model.digest,
        )

    matter = [[row for row in text if len(row[0]) >= LEAST] for text in texts]
    japanese, english = ([encoder.encode([row[side] for row in text]) for text in matter] for side in (0, 1))
    for measure, value in support(japanese, english).items():
        yield figure(measure, value)
    chance = random.Random(0)  # noqa: S311 - not for secrets
    by_chance = [within(chance.sample([row[0] for row in text], len(text))) for text in texts]
    pairs = zip(japanese, by_chance, strict=True)
    yield figure(
        "coverage of sentences at random, for comparison", mean(coverage(v, encoder.encode(s)) for v, s in pairs)
    )
    with SummarizeClient(settings=settings) as client:
        for method in ("extractive", "abstractive"):
            answers = [
                client.summarize(
                    "\n".join(row[0] for row in text), method=method, max_characters=CHARACTERS, source="ja"
                )
                for text in texts
            ]
            model = answers[-1].provenance.models[0]
            summaries = [encoder.encode([sentence.text for sentence in answer.sentences]) for answer in answers]
            covered = mean(coverage(v, s) for v, s in zip(japanese, summaries, strict=True))
            yield figure(f"coverage of {method} summaries", covered, model)
        supported = [sentence.supported for answer in answers for sentence in answer.sentences]
        yield figure("share of sentences of abstractive summaries that the source supports", mean(supported), model)
        share, count = reached(client, rows)
        planted = f"meetings (AMI parallel corpus), {count} facts in the middle third of 50,000 characters"
        yield figure("share of planted facts told when they are asked for", share, model, planted)
