"""Sentences that say nothing about the matter: thanks, greetings, yes."""

from __future__ import annotations

from buhin.text.embeddings import SentenceEncoder, Vectors

_EXAMPLES = (
    "ありがとうございました。",
    "よろしくお願いします。",
    "わかりました。",
    "そうですね。",
    "大事な点ですね。",
    "それでは、始めましょう。",
    "質問があります。",
    "次の議題に移ります。",
    "お疲れさまでした。",
    "Thank you very much.",
    "I see.",
    "All right, let's begin.",
    "I have a question.",
    "Let's move on to the next item.",
)
_LIKE = 0.6
"""Cosine similarity to an example from which a sentence is one of them. In samples/meeting others stay below 0.4."""


def is_small_talk(vectors: Vectors, encoder: SentenceEncoder) -> list[bool]:
    """Whether each sentence, by its vector, says nothing about the matter."""
    return [bool(like) for like in (vectors @ encoder.encode(_EXAMPLES).T).max(axis=1) >= _LIKE]


def that_matter(vectors: Vectors, encoder: SentenceEncoder) -> list[int]:
    """The places of the sentences that say something; all when none does."""
    talk = is_small_talk(vectors, encoder)
    return [i for i in range(len(talk)) if not talk[i]] or list(range(len(talk)))
