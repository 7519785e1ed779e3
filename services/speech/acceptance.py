"""What a recognizer must understand before it takes the place of one that serves."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from buhin.engine import Stop
from buhin.errors import UnusableModelError
from services.speech import audio
from services.speech.engine import Options, SpeechEngine

RECORDING = Path(__file__).with_name("acceptance.flac")
"""The first sentence of the sample meeting (samples/meeting)."""
SAID = "それでは防災訓練の打ち合わせを始めます"
LEAST = 0.7
"""Share of the characters that must be the same."""


def accept(engine: SpeechEngine) -> None:
    """Let it write a sentence down. Raises UnusableModelError."""
    samples = np.concatenate(list(audio.samples(audio.sniff(RECORDING.read_bytes()))))
    heard = engine.recognize(samples, Options(language="ja"), Stop())
    text = "".join(letter for segment in heard.segments for letter in segment.text if letter.isalnum())
    share = SequenceMatcher(None, text, SAID, autojunk=False).ratio()
    if share < LEAST:
        raise UnusableModelError(
            engine=engine.name, model=engine.models[0].model_id, problem=f"it understood {share:.0%} of a sentence"
        )
