"""Voices as vectors: the speaker encoder of Resemblyzer (Wan et al. 2018, https://arxiv.org/abs/1710.10467) in NumPy.

Its weights come from the package's own file, read without PyTorch and without running anything that is in it.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from buhin.engine import LoadedModel, Stop
from buhin.models.store import Model
from services.speech.engine import SPEAKER_ROLE, Span
from services.speech.engines import clustering

WINDOW_S = 1.6
"""Length of the windows that the network was trained on."""

_RATE, _WINDOW, _HOP, _MELS = 16_000, 400, 160, 40
_FRAMES = 160
_STEP_S = 0.8
_LAYERS, _HIDDEN = 3, 256
_BATCH = 256
_LOUDNESS = 10 ** (-30 / 20)
"""Root mean square to which quieter voices are raised, as in training."""

Floats = NDArray[np.float32]


class VoiceEncoder:
    """Tells how a voice sounds: stretches of voices of one speaker have a high cosine."""

    def __init__(self, model: Model) -> None:
        self.model: LoadedModel = model.loaded(SPEAKER_ROLE)
        weights = read_weights(model.main)
        self._layers = [
            tuple(weights[f"lstm.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            for layer in range(_LAYERS)
        ]
        self._linear = weights["linear.weight"], weights["linear.bias"]
        self._filters = FeatureExtractor.get_mel_filters(_RATE, _WINDOW, n_mels=_MELS).astype(np.float32)
        self._hann = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)

    def embed(self, samples: Floats, spans: Sequence[Span], stop: Stop) -> Floats:
        """A unit vector for each stretch of mono samples at 16 kHz, shape (len(spans), 256). Raises CancelledError."""
        windows = [(number, start) for number, span in enumerate(spans) for start in _starts(span)]
        found = np.zeros((len(spans), _HIDDEN), np.float32)
        for batch in range(0, len(windows), _BATCH):
            stop.check()
            chosen = windows[batch : batch + _BATCH]
            vectors = self._forward(np.stack([self._mel(samples, start, spans[number]) for number, start in chosen]))
            for (number, _), vector in zip(chosen, vectors, strict=True):
                found[number] += vector
        return _unit(found)

    def tell_apart(self, vectors: Floats, lengths_s: Sequence[float], count: int | None) -> list[int]:
        """The speaker of each vector, numbered from 1; ``count`` is how many there are, None to find out."""
        return clustering.tell_apart(vectors, lengths_s, count)

    def _mel(self, samples: Floats, start_s: float, span: Span) -> Floats:
        """Mel energies of a window, shape (160, 40); a stretch that is shorter is said again until it is full."""
        start, end = round(start_s * _RATE), round(min(start_s + WINDOW_S, span.end_s) * _RATE)
        voice = samples[start : max(end, start + 1)]
        if not len(voice):
            voice = np.zeros(1, np.float32)
        voice = np.resize(voice, _FRAMES * _HOP)
        level = float(np.sqrt(np.mean(voice**2)))
        if 0 < level < _LOUDNESS:
            voice = voice * (_LOUDNESS / level)
        padded = np.pad(voice, _WINDOW // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:_FRAMES]
        power = np.abs(np.fft.rfft(frames * self._hann, axis=1)) ** 2
        return np.asarray(power @ self._filters.T, np.float32)

    def _forward(self, batch: Floats) -> Floats:
        """Unit vectors of windows, shape (n, 256)."""
        sequence = batch.transpose(1, 0, 2)
        for layer in self._layers:
            sequence = _lstm(sequence, *layer)
        weight, bias = self._linear
        return _unit(np.maximum(sequence[-1] @ weight.T + bias, 0))


def _unit(vectors: Floats) -> Floats:
    """The vectors with length 1, or 0."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def _starts(span: Span) -> Iterator[float]:
    """Where the windows of a stretch begin: every 0.8 s, and so that the last one ends with it."""
    last = max(span.end_s - WINDOW_S, span.start_s)
    yield from np.arange(span.start_s, last, _STEP_S)
    yield last


def _lstm(sequence: Floats, weight_ih: Floats, weight_hh: Floats, bias_ih: Floats, bias_hh: Floats) -> Floats:
    """All outputs of a layer, shape (time, n, 256); gates in the order of PyTorch: input, forget, cell, output."""
    inputs = sequence @ weight_ih.T + (bias_ih + bias_hh)
    hidden = np.zeros((sequence.shape[1], _HIDDEN), np.float32)
    cell = np.zeros_like(hidden)
    outputs = np.empty((len(sequence), *hidden.shape), np.float32)
    for time, given in enumerate(inputs):
        gates = given + hidden @ weight_hh.T
        entry, forget, fresh, out = np.split(gates, 4, axis=1)
        cell = _sigmoid(forget) * cell + _sigmoid(entry) * np.tanh(fresh)
        hidden = _sigmoid(out) * np.tanh(cell)
        outputs[time] = hidden
    return outputs


def _sigmoid(value: Floats) -> Floats:
    return np.asarray(0.5 * np.tanh(0.5 * value) + 0.5, np.float32)


def read_weights(path: Path) -> dict[str, Floats]:
    """The tensors of a checkpoint in PyTorch's format before 1.6: four pickles, then the storages. Raises
    UnpicklingError for anything but tensors and plain types."""
    with path.open("rb") as file:
        for _ in range(3):
            _Tensors(file).load()
        state = _Tensors(file).load()["model_state"]
        storages = {}
        for key in _Tensors(file).load():
            (count,) = struct.unpack("<q", file.read(8))
            storages[key] = np.frombuffer(file.read(4 * count), "<f4")
    return {
        name: np.array(np.lib.stride_tricks.as_strided(storages[key][offset:], size, [4 * step for step in stride]))
        for name, (key, offset, size, stride) in state.items()
    }


class _Tensors(pickle.Unpickler):
    """Reads tensors as where they lie: storage, offset, size, stride."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        """Nothing but what a file of tensors needs."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
        if (module, name) == ("torch", "FloatStorage"):
            return name
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> str:
        """The key of a storage."""
        return str(pid[2])
