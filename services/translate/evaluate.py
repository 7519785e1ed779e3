"""Measures a running service on parallel sentences: ``python -m services.translate.evaluate FOLDER [--limit N]``.

FOLDER holds files of tab-separated Japanese and English sentences. Prints JSON: chrF (Popović 2015) and BLEU of each
file and direction, and how well the similarity threshold tells translations from random pairs.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

import sacrebleu

from buhin.client import TranslateClient
from buhin.config import Settings
from buhin.models.store import ModelStore
from buhin.text.embeddings import SentenceEncoder
from services.translate.reasons import MIN_SIMILARITY

BATCH = 25


def pairs(file: Path, limit: int) -> list[tuple[str, str]]:
    """Japanese and English sentences, spread evenly over the file."""
    rows = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    step = max(1, len(rows) // limit)
    return [(row[0], row[1]) for row in rows[::step]][:limit]


def quality(client: TranslateClient, rows: list[tuple[str, str]], source: str, target: str) -> dict[str, Any]:
    """chrF and BLEU of one direction, and the share of sentences with a reason to look."""
    given = [row[0] if source == "ja" else row[1] for row in rows]
    reference = [row[1] if source == "ja" else row[0] for row in rows]
    written: list[str] = []
    flagged: set[tuple[int, str]] = set()
    model = ""
    for start in range(0, len(given), BATCH):
        answer = client.translate_text(given[start : start + BATCH], source=source, target=target)
        written += [translation.translated_text for translation in answer.translations]
        flagged |= {(start, reason.subject.partition(".")[0]) for reason in answer.review.reasons if reason.subject}
        model = answer.provenance.models[0].model_id
    bleu = sacrebleu.corpus_bleu(written, [reference], tokenize="char" if target == "ja" else "13a")
    return {
        "direction": f"{source}-{target}", "sentences": len(rows), "model": model,
        "chrf": round(sacrebleu.corpus_chrf(written, [reference]).score, 1), "bleu": round(bleu.score, 1),
        "flagged": round(len(flagged) / len(rows), 3),
    }  # fmt: skip


def threshold(encoder: SentenceEncoder, rows: list[tuple[str, str]]) -> dict[str, float]:
    """Share of true pairs, and of random pairs, below the threshold."""
    japanese, english = (encoder.encode([row[side] for row in rows]) for side in (0, 1))
    shuffled = list(range(len(rows)))
    random.Random(0).shuffle(shuffled)  # noqa: S311 - not for secrets
    true, other = (japanese * english).sum(axis=1), (japanese * english[shuffled]).sum(axis=1)
    return {
        "threshold": MIN_SIMILARITY,
        "true_pairs_below": round(float((true < MIN_SIMILARITY).mean()), 3),
        "random_pairs_below": round(float((other < MIN_SIMILARITY).mean()), 3),
    }


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--limit", type=int, default=100)
    given = options.parse_args()
    settings = Settings()
    encoder = SentenceEncoder(ModelStore.from_settings(settings).open("use-multilingual-v3"), threads=2)
    results = []
    with TranslateClient() as client:
        for file in sorted(given.folder.glob("*.tsv")):
            rows = pairs(file, given.limit)
            figures = [quality(client, rows, *direction) for direction in (("ja", "en"), ("en", "ja"))]
            results.append({"file": file.name, "check": threshold(encoder, pairs(file, 1000)), "quality": figures})
    sys.stdout.write(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
