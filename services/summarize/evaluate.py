"""Measures a running service: ``python -m services.summarize.evaluate PAIRS [--texts N]``.

PAIRS is a file of tab-separated Japanese and English sentences that follow each other, as in a meeting. Every 30 are a
text; of it, sentences of at least 15 characters are measured, since the others say nothing. Prints JSON:

* the check of support, without a writing model: the English of a sentence stands for a sentence of a summary. How often
  the right Japanese sentence is cited, how often a true sentence is marked as unsupported, and how often one of another
  text is.
* coverage of summaries of 300 characters, 0 to 1: the mean similarity of each sentence of the text to the nearest one
  of the summary; for each method, for sentences chosen at random and for the first ones, of the same length.
* of abstractive summaries, the share of sentences with a reason to look.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from buhin.client import SummarizeClient
from buhin.config import Settings
from buhin.models.store import ModelStore
from buhin.text.embeddings import SentenceEncoder, Vectors
from services.summarize.reasons import MIN_SUPPORT

SENTENCES, CHARACTERS, LEAST = 30, 300, 15


def support(japanese: list[Vectors], english: list[Vectors]) -> dict[str, Any]:
    """How well the check tells what a text says from what another one says."""
    true = [english[n] @ japanese[n].T for n in range(len(japanese))]
    other = [english[n - 1] @ japanese[n].T for n in range(len(japanese))]
    return {
        "threshold": MIN_SUPPORT,
        "right_sentence_cited": round(mean(float((s.argmax(axis=1) == np.arange(len(s))).mean()) for s in true), 3),
        "true_marked_unsupported": round(mean(float((s.max(axis=1) < MIN_SUPPORT).mean()) for s in true), 3),
        "foreign_marked_unsupported": round(mean(float((s.max(axis=1) < MIN_SUPPORT).mean()) for s in other), 3),
    }


def coverage(text: Vectors, summary: Vectors) -> float:
    """Mean similarity of the sentences of a text to the nearest one of its summary."""
    return float((text @ summary.T).max(axis=1).mean())


def within(sentences: Sequence[str]) -> list[str]:
    """The first of the sentences that fit into the length."""
    kept: list[str] = []
    for sentence in sentences:
        if len("".join(kept)) + len(sentence) <= CHARACTERS:
            kept.append(sentence)
    return kept


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("pairs", type=Path)
    options.add_argument("--texts", type=int, default=20)
    given = options.parse_args()
    rows = [line.split("\t") for line in given.pairs.read_text(encoding="utf-8").splitlines()]
    texts = [rows[n : n + SENTENCES] for n in range(0, len(rows) - SENTENCES, SENTENCES)]
    texts = texts[:: max(1, len(texts) // given.texts)][: given.texts]
    encoder = SentenceEncoder(ModelStore.from_settings(Settings()).open("use-multilingual-v3"), threads=2)
    matter = [[row for row in text if len(row[0]) >= LEAST] for text in texts]
    japanese, english = ([encoder.encode([row[side] for row in text]) for text in matter] for side in (0, 1))
    found: dict[str, list[float]] = {"extractive": [], "abstractive": [], "random": [], "first": []}
    written = flagged = 0
    chance = random.Random(0)  # noqa: S311 - not for secrets
    with SummarizeClient() as client:
        for text, vectors in zip(texts, japanese, strict=True):
            sentences = [row[0] for row in text]
            answers = {
                method: client.summarize("\n".join(sentences), method=method, max_characters=CHARACTERS, source="ja")
                for method in ("extractive", "abstractive")
            }
            chosen = {method: [s.text for s in answer.sentences] for method, answer in answers.items()}
            chosen |= {"random": within(chance.sample(sentences, len(sentences))), "first": within(sentences)}
            for method, summary in chosen.items():
                found[method].append(coverage(vectors, encoder.encode(summary)))
            review = answers["abstractive"].review
            written += len(chosen["abstractive"])
            flagged += len({reason.subject for reason in review.reasons if reason.subject})
    result = {
        "file": given.pairs.name, "texts": len(texts), "support": support(japanese, english),
        "coverage": {method: round(mean(values), 3) for method, values in found.items()},
        "abstractive": {"sentences": written, "flagged": round(flagged / max(1, written), 3)},
    }  # fmt: skip
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
