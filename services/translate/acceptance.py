"""What a translator must be able to say before it takes the place of one that serves."""

from __future__ import annotations

from buhin.engine import Stop
from buhin.errors import UnusableModelError
from services.translate.engine import Options, TranslateEngine

SENTENCES = {
    ("ja", "en"): "会議は午後三時に始まります。",
    ("en", "ja"): "The library is open on Sunday.",
}
LEAST = 0.4
"""Cosine similarity of a sentence and its translation."""


def accept(engine: TranslateEngine) -> None:
    """Let it translate a sentence each way that it has. Raises UnusableModelError."""
    for (source, target), sentence in SENTENCES.items():
        if (source, target) in engine.directions:
            found = engine.translate(sentence, Options(source, target), Stop())
            similarity = min((pair.similarity for pair in found.pairs), default=0.0)
            if similarity < LEAST:
                problem = f"a sentence from {source} to {target} kept {similarity:.2f} of its meaning"
                raise UnusableModelError(engine=engine.name, model=engine.models[0].model_id, problem=problem)
