"""Which parts of a text matter, by their vectors, of length 1 and shape (n, d): centrality, diversity, topics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]

_DAMPING = 0.85
_ITERATIONS = 50
_RELEVANCE = 0.5
_QUERY_WEIGHT = 0.7
_MOST_COMPARED = 4_000


def centrality(vectors: Vectors) -> Scores:
    """How much each part is like the others, 0 to 1, shape (n,).

    Continuous LexRank, which is PageRank over cosine similarities (Erkan & Radev 2004,
    https://doi.org/10.1613/jair.1523); above 4,000 parts, whose similarities would take too much memory, likeness to
    the centroid (Radev et al. 2004, https://doi.org/10.1016/j.ipm.2003.10.006).
    """
    count = len(vectors)
    if count > _MOST_COMPARED:
        likeness = np.clip(vectors @ vectors.mean(axis=0), 0, None)
        return np.asarray(likeness / max(float(likeness.max()), 1e-9), np.float32)
    similarity = np.clip(vectors @ vectors.T, 0, None)
    np.fill_diagonal(similarity, 0)
    sums = similarity.sum(axis=1, keepdims=True)
    transition = np.divide(similarity, sums, out=np.full_like(similarity, 1 / count), where=sums > 0)
    rank = np.full(count, 1 / count, np.float32)
    for _ in range(_ITERATIONS):
        rank = (1 - _DAMPING) / count + _DAMPING * transition.T @ rank
    return np.asarray(rank / rank.max(), np.float32)


def relevance(vectors: Vectors, likeness: Scores | None) -> Scores:
    """Centrality, or centrality and likeness to a query, -1 to 1 and shape (n,), when there is one."""
    scores = centrality(vectors)
    if likeness is None:
        return scores
    return np.asarray((1 - _QUERY_WEIGHT) * scores + _QUERY_WEIGHT * np.clip(likeness, 0, 1), np.float32)


def by_marginal_relevance(vectors: Vectors, scores: Scores) -> Iterator[int]:
    """All parts, first the one that matters most, each next one weighed against its likeness to those before (Carbonell
    & Goldstein 1998, https://doi.org/10.1145/290941.291025).
    """
    nearest = np.zeros(len(vectors), np.float32)
    left = np.asarray(_RELEVANCE * scores, np.float32)
    for _ in range(len(vectors)):
        best = int(np.argmax(left - (1 - _RELEVANCE) * nearest))
        yield best
        left[best] = -np.inf
        nearest = np.maximum(nearest, vectors @ vectors[best])


def topics(
    vectors: Vectors, lengths: Sequence[int], *, count: int, max_parts: int | None = None, max_length: int | None = None
) -> list[range]:
    """Runs of neighbouring parts about one thing: the two neighbouring runs that are most alike are joined until
    ``count`` are left or no two fit into ``max_parts`` and ``max_length``.
    """
    runs = [range(i, i + 1) for i in range(len(vectors))]
    sums = list(vectors.astype(np.float64))
    sizes = list(lengths)

    def likeness(i: int) -> float:
        """Cosine similarity of a run and the next, -2 where they do not fit together."""
        too_many = max_parts is not None and len(runs[i]) + len(runs[i + 1]) > max_parts
        if too_many or (max_length is not None and sizes[i] + sizes[i + 1] > max_length):
            return -2.0
        return float(sums[i] @ sums[i + 1] / (np.linalg.norm(sums[i]) * np.linalg.norm(sums[i + 1])))

    alike = np.array([likeness(i) for i in range(len(runs) - 1)])
    while len(runs) > count:
        i = int(np.argmax(alike))
        if alike[i] < -1.5:
            break
        runs[i : i + 2] = [range(runs[i].start, runs[i + 1].stop)]
        sums[i : i + 2] = [sums[i] + sums[i + 1]]
        sizes[i : i + 2] = [sizes[i] + sizes[i + 1]]
        alike = np.delete(alike, i)
        for n in (i - 1, i):
            if 0 <= n < len(alike):
                alike[n] = likeness(n)
    return runs
