"""Which parts of a text matter, by their vectors, of length 1 and shape (n, d): centrality, diversity, topics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]

_DAMPING = 0.85
_ITERATIONS = 50
_RELEVANCE = 0.5
_QUERY_WEIGHT = 0.7


def centrality(vectors: Vectors) -> Scores:
    """How much each part is like the others, 0 to 1, shape (n,): continuous LexRank, which is PageRank over cosine
    similarities (Erkan & Radev 2004, https://doi.org/10.1613/jair.1523).
    """
    count = len(vectors)
    similarity = np.clip(vectors @ vectors.T, 0, None)
    np.fill_diagonal(similarity, 0)
    sums = similarity.sum(axis=1, keepdims=True)
    transition = np.divide(similarity, sums, out=np.full_like(similarity, 1 / count), where=sums > 0)
    rank = np.full(count, 1 / count, np.float32)
    for _ in range(_ITERATIONS):
        rank = (1 - _DAMPING) / count + _DAMPING * transition.T @ rank
    return np.asarray(rank / rank.max(), np.float32)


def relevance(vectors: Vectors, query: Vectors | None) -> Scores:
    """Centrality, or centrality and likeness to the query, shape (1, d), when there is one."""
    scores = centrality(vectors)
    if query is None:
        return scores
    likeness = np.clip((vectors @ query.T)[:, 0], 0, 1)
    return np.asarray((1 - _QUERY_WEIGHT) * scores + _QUERY_WEIGHT * likeness, np.float32)


def by_marginal_relevance(vectors: Vectors, scores: Scores) -> list[int]:
    """All parts, first the one that matters most, each next one weighed against its likeness to those before (Carbonell
    & Goldstein 1998, https://doi.org/10.1145/290941.291025).
    """
    left = list(range(len(vectors)))
    order: list[int] = []
    nearest = np.zeros(len(vectors), np.float32)
    while left:
        best = max(left, key=lambda i: (_RELEVANCE * scores[i] - (1 - _RELEVANCE) * nearest[i], -i))
        left.remove(best)
        order.append(best)
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return order


def topics(vectors: Vectors, lengths: Sequence[int], *, count: int, max_parts: int, max_length: int) -> list[range]:
    """Runs of neighbouring parts about one thing: the two neighbouring runs that are most alike are joined until
    ``count`` are left or no two fit into ``max_parts`` and ``max_length``.
    """
    runs = [range(i, i + 1) for i in range(len(vectors))]
    sums = [vector.astype(np.float64) for vector in vectors]
    sizes = list(lengths)
    while len(runs) > count:
        joinable = [
            (float(sums[i] @ sums[i + 1] / (np.linalg.norm(sums[i]) * np.linalg.norm(sums[i + 1]))), i)
            for i in range(len(runs) - 1)
            if len(runs[i]) + len(runs[i + 1]) <= max_parts and sizes[i] + sizes[i + 1] <= max_length
        ]
        if not joinable:
            break
        _, i = max(joinable)
        runs[i : i + 2] = [range(runs[i].start, runs[i + 1].stop)]
        sums[i : i + 2] = [sums[i] + sums[i + 1]]
        sizes[i : i + 2] = [sizes[i] + sizes[i + 1]]
    return runs
