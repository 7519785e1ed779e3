"""The Silero voice detector (https://github.com/snakers4/silero-vad) on audio that comes piece by piece."""

from __future__ import annotations

import numpy as np
from faster_whisper.vad import get_vad_model
from numpy.typing import NDArray

from buhin.engine import Resident
from services.speech.engine import VOICE_FRAME

_CONTEXT = 64
"""Samples before a frame that the model looks at too."""


class SileroDetector(Resident):
    """Gives the same probabilities as the model does for the whole audio at once; its state is kept between calls."""

    def __init__(self) -> None:
        self._session = get_vad_model().session
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """One a frame."""
        heard = np.concatenate([self._context, samples])
        frames = np.lib.stride_tricks.sliding_window_view(heard, VOICE_FRAME + _CONTEXT)[::VOICE_FRAME]
        self._context = heard[-_CONTEXT:]
        found, self._h, self._c = self._session.run(
            None, {"input": np.ascontiguousarray(frames), "h": self._h, "c": self._c}
        )
        return np.asarray(found, np.float32).reshape(-1)
