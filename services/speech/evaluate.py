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
from buhin.common.v1 import common_pb2
from buhin.config import ClientSettings
from buhin.text.languages import NAMES
from services.speech import latency
from services.speech.speakers_evaluate import speaker_accuracy


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
    """Character error rate of each recording, language not given; speakers and live results of the sample meeting."""
    with SpeechClient(settings=settings) as client:
        for folder in (data / "speech", paths.data("samples/meeting")):
            for file, language, reference in recordings(folder):
                answer = client.recognize(file)
                model = answer.provenance.models[0]
                value = character_error_rate(reference, answer.transcript)
                dataset = f"{file.name}, {answer.audio_duration.ToMilliseconds() / 1000:.1f} s"
                yield _figure(f"character error rate, {NAMES[language][0]}", value, dataset, model)
        meeting = paths.data("samples/meeting/meeting.flac")
        for count in (0, 3):
            accuracy = speaker_accuracy(meeting, meeting.with_name("script.yaml"), client, count)
            voices = client.recognize(meeting, speakers=True).provenance.models[-1]
            told = f"{count} said to be there" if count else "their number found out"
            yield _figure(f"share of words with the right speaker, {told}", accuracy, "meeting.flac, 3 voices", voices)
    live = latency.measure(meeting, "ja", settings)
    error_rate = character_error_rate("".join(text for _, _, text in recordings(meeting.parent)), live["transcript"])
    for measure, value in (
        ("live, at real speed: time to the first interim result, s", live["first_interim_s"]),
        ("live, at real speed: lag of final results, median, s", live["final_lag_s"]["median"]),
        ("live, at real speed: lag of final results, maximum, s", live["final_lag_s"]["max"]),
        ("live, at real speed: character error rate, Japanese", error_rate),
    ):
        yield _figure(measure, value, f"meeting.flac, {live['audio_s']} s", model)


def _figure(measure: str, value: float, dataset: str, model: common_pb2.ModelRef) -> Quality:
    return Quality(
        measure=measure, value=round(value, 3), dataset=dataset, model_id=model.model_id, model_digest=model.digest
    )


def _letters(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
