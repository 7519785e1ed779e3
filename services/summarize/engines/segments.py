"""Cuts a text into topics."""

from __future__ import annotations

import itertools

import numpy as np

from buhin.text.embeddings import Vectors

_MOST_BLOCKS = 500
"""Neighbouring sentences of longer texts are taken together, which bounds the work to 500² likenesses."""


def segments(vectors: Vectors, count: int) -> list[range]:
    """At most ``count`` runs of neighbouring sentences, each as like within itself as can be, by dynamic programming:
    the content vector segmentation of Alemi & Ginsparg 2015 (https://arxiv.org/abs/1503.05543).

    ``vectors`` are the sentences' of length 1, shape (n, d).
    """
    edges = np.unique(np.linspace(0, len(vectors), min(len(vectors), _MOST_BLOCKS) + 1).round().astype(int))
    size = len(edges) - 1
    sums = np.concatenate([np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0, dtype=np.float64)])[edges]
    squares = (sums**2).sum(axis=1)
    # gain[i, j]: the length of the sum of blocks i to j, which grows with their likeness
    gain = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * sums @ sums.T, 0))
    gain[np.tril_indices(size + 1)] = -np.inf
    best, cuts = gain[0], []
    for _ in range(min(count, size) - 1):
        totals = best[:, None] + gain
        cuts.append(totals.argmax(axis=0))
        best = totals.max(axis=0)
    ends = [size]
    for cut in reversed(cuts):
        ends.append(int(cut[ends[-1]]))
    places = [0, *(int(edges[end]) for end in reversed(ends))]
    return [range(start, stop) for start, stop in itertools.pairwise(places)]
