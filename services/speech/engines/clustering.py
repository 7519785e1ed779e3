"""Which vectors are of one voice: clustered from the bottom up, by average linkage of cosine distances.

How many clusters there are is said by the caller, or by the best mean silhouette (Rousseeuw 1987,
https://doi.org/10.1016/0377-0427(87)90125-7).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform

from services.speech.speakers import MAX_SPEAKERS

_LONG_S = 1.8
"""Stretches of this length are clustered, shorter ones go to the nearest cluster: in them a voice varies too much."""
_ONE_VOICE = 0.3
"""Greatest distance of two clusters of one voice. Stretches of one person came to 0.25, of two people to 0.35 and more,
in the recordings that the recognition is measured on."""
_MOST = 2_000
"""Stretches that are clustered, the longest ones, which bounds the memory to 50 MB."""


def tell_apart(vectors: NDArray[np.float32], lengths_s: Sequence[float], count: int | None) -> list[int]:
    """The cluster of each unit vector of ``vectors``, shape (n, d), numbered from 1 by first appearance.

    ``count`` is how many clusters there are, at most; None to find out, up to 20.
    """
    if not len(vectors):
        return []
    by_length = np.argsort(lengths_s, kind="stable")[::-1]
    least = max(int(np.sum(np.asarray(lengths_s) >= _LONG_S)), count or 1)
    chosen = np.sort(by_length[: min(least, _MOST)])
    clusters = _clusters(vectors[chosen], count)
    centres = np.stack([vectors[chosen[clusters == each]].mean(axis=0) for each in np.unique(clusters)])
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
    nearest = np.unique(clusters)[np.argmax(vectors @ centres.T, axis=1)]
    nearest[chosen] = clusters
    names: dict[int, int] = {}
    return [names.setdefault(int(each), len(names) + 1) for each in nearest]


def _clusters(vectors: NDArray[np.float32], count: int | None) -> NDArray[np.int32]:
    if len(vectors) == 1 or count == 1:
        return np.ones(len(vectors), np.int32)
    distances = np.nan_to_num(pdist(vectors, "cosine"), nan=1.0)  # of a vector of zeros: of silence
    tree = linkage(distances, "average")
    if count is not None:
        return np.asarray(fcluster(tree, count, "maxclust"))
    if tree[-1, 2] < _ONE_VOICE:
        return np.ones(len(vectors), np.int32)
    numbers = range(2, min(MAX_SPEAKERS, len(vectors) - 1) + 1)
    found = [np.asarray(fcluster(tree, number, "maxclust")) for number in numbers]
    if not found:
        return np.arange(1, len(vectors) + 1, dtype=np.int32)
    square = squareform(distances)
    return max(found, key=lambda each: _silhouette(square, each))


def _silhouette(distances: NDArray[np.float64], clusters: NDArray[np.int32]) -> float:
    """How much nearer each is to its own cluster than to the next one, -1 to 1; one alone counts as 0."""
    member = clusters[:, None] == np.unique(clusters)
    sizes, sums = member.sum(axis=0), distances @ member
    own = sizes[member.argmax(axis=1)]
    inside = sums[member] / np.maximum(own - 1, 1)
    outside = np.where(member, np.inf, sums / sizes).min(axis=1)
    return float(np.mean(np.where(own > 1, (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-9), 0)))
