"""Measures a running service on recordings whose words are known. `make evaluate` writes what it finds.

A folder holds ``transcripts.json`` (a list of file, language, transcript) or, like samples/meeting, ``script.yaml``.
The character error rate counts letters and digits only, after NFKC and case folding.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import jiwer
import yaml

from buhin import paths
from buhin.catalogue.card import Quality
from buhin.client import SpeechClient
from buhin.config import ClientSettings
from buhin.text.languages import NAMES


def recordings(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Audio file, language and what is said, of each recording of a folder."""
    script = folder / "script.yaml"
    if script.is_file():
        meeting = yaml.safe_load(script.read_text(encoding="utf-8"))
        yield folder / "meeting.flac", meeting["language"], "".join(turn["text"] for turn in meeting["turns"])
        return
    for entry in json.loads((folder / "transcripts.json").read_text(encoding="utf-8")):
        yield folder / entry["file"], entry["language"], entry["transcript"]


def character_error_rate(reference: str, hypothesis: str) -> float:
    """Edits per character of the reference, 0 when they agree; punctuation and spaces do not count."""
    return float(jiwer.cer(_letters(reference), _letters(hypothesis)))


def figures(data: Path, settings: ClientSettings) -> Iterator[Quality]:
    """Character error rate of each recording, language not given."""
    with SpeechClient(settings=settings) as client:
        for folder in (data / "speech", paths.data("samples/meeting")):
            for file, language, reference in recordings(folder):
                answer = client.recognize(file)
                yield Quality(
                    measure=f"character error rate, {NAMES[language][0]}",
                    value=round(character_error_rate(reference, answer.transcript), 3),
                    dataset=f"{file.name}, {answer.audio_duration.ToMilliseconds() / 1000:.1f} s",
                    model_id=answer.provenance.models[0].model_id,
                    model_digest=answer.provenance.models[0].digest,
                )


def _letters(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
