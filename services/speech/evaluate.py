"""Measures a running service: ``python -m services.speech.evaluate FOLDER…``, character error rate per recording.

A folder holds ``transcripts.json`` (a list of file, language, transcript) or, like samples/meeting, ``script.yaml``.
The rate counts letters and digits only, after NFKC and case folding.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import grpc
import jiwer
import yaml

from buhin.config import ClientSettings
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc


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


def main(folders: list[Path], settings: ClientSettings) -> None:
    """Print a line a recording."""
    with grpc.insecure_channel(settings.speech_address) as channel:
        service = speech_pb2_grpc.SpeechServiceStub(channel)
        for folder in folders:
            for file, language, reference in recordings(folder):
                request = speech_pb2.RecognizeRequest(audio=file.read_bytes())
                response = service.Recognize(request, timeout=settings.timeout_s)
                sys.stdout.write(
                    f"{file.name}: language {language}, detected {response.language_code}"
                    f" ({response.language_confidence:.2f}),"
                    f" character error rate {character_error_rate(reference, response.transcript):.3f},"
                    f" {response.audio_duration.ToMilliseconds() / 1000:.1f} s of audio in"
                    f" {response.provenance.processing_duration.ToMilliseconds() / 1000:.1f} s,"
                    f" model {response.provenance.models[0].model_id}\n"
                )


def _letters(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]], ClientSettings())
