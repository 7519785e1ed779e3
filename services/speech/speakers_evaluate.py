"""How often the right speaker is told, on a recording whose script says who says what."""

from __future__ import annotations

import difflib
import unicodedata
from pathlib import Path

import numpy as np
import yaml
from scipy.optimize import linear_sum_assignment

from buhin.client import SpeechClient
from buhin.speech.v1 import speech_pb2


def speaker_accuracy(file: Path, script: Path, client: SpeechClient, count: int = 0) -> float:
    """Share of the time of all words that is given to the right speaker, 0 to 1; ``count`` as in the request."""
    answer = client.recognize(file, speakers=True, speaker_count=count, word_offsets=True)
    turns = yaml.safe_load(script.read_text(encoding="utf-8"))["turns"]
    return right_share(answer, [(turn["speaker"], turn["text"]) for turn in turns])


def right_share(answer: speech_pb2.RecognizeResponse, turns: list[tuple[str, str]]) -> float:
    """The same of an answer with words. Words are matched with the turns by their letters; each label stands for the
    speaker that makes the share greatest (the mapping of the diarization error rate)."""
    said = [(speaker, letter) for speaker, text in turns for letter in _letters(text)]
    heard = [
        (word.speaker_label, letter, _length_ms(word) / len(letters))
        for segment in answer.segments
        for word in segment.words
        for letters in [_letters(word.word)]
        for letter in letters
    ]
    labels, names = sorted({label for label, *_ in heard}), sorted({speaker for speaker, _ in turns})
    shared = np.zeros((len(labels), len(names)))
    matcher = difflib.SequenceMatcher(None, [each for _, each in said], [each for _, each, _ in heard], autojunk=False)
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            label, _, duration = heard[block.b + step]
            shared[labels.index(label), names.index(said[block.a + step][0])] += duration
    rows, columns = linear_sum_assignment(-shared)
    return float(shared[rows, columns].sum() / shared.sum()) if shared.any() else 0.0


def _length_ms(word: speech_pb2.Word) -> int:
    return int(word.end_offset.ToMilliseconds() - word.start_offset.ToMilliseconds())


def _letters(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
