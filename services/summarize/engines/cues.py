"""Sentences that decide something, promise or ask for something to be done, or leave something open.

Phrases tell them in Japanese and English; in every language their likeness to examples does. Neither needs a language
model, so that all sentences of a long text can be looked at.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from buhin.text.embeddings import SentenceEncoder, Vectors


class Kind(enum.Enum):
    """What a sentence does in a meeting. TOPIC: none of the others."""

    DECISION = enum.auto()
    ACTION = enum.auto()
    QUESTION = enum.auto()
    TOPIC = enum.auto()


@dataclass(frozen=True)
class Found:
    """A sentence by its place among the sentences, what it does and how sure that is; 1 and more: a phrase says so."""

    place: int
    kind: Kind
    score: float


_OPEN = re.compile(
    r"未定|未確定|未決|未解決|決ま(?:って(?:い)?ない|って(?:い)?ません|らな|りませんで)|決めて(?:い)?(?:ない|ません)|"
    r"継続(?:審議|して検討)|持ち越|保留|検討(?:が必要|中|課題|します|する必要|しましょう|したい)|"
    r"(?:次回?の?会議|次回|後日|改めて)[^。]{0,12}(?:決め|議論|検討|話し合|相談)|"
    r"(?:わか|分か|判)(?:って(?:い)?ません|りません|らない)(?!か)|はっきりし(?:ない|ません)|"
    r"\b(?:undecided|unresolved|not (?:yet )?(?:been )?(?:decided|settled|known|clear)|tbd|open question"
    r"|to be (?:decided|determined|discussed|confirmed)|remains? (?:open|unclear)"
    r"|(?:still|yet) (?:need to|have to|to) (?:decide|find out|clarify|figure)|haven'?t (?:yet )?decided"
    r"|(?:decide|discuss)\b[^.]{0,20}\b(?:at the next|next time|later)"
    r"|(?:do not|don'?t) know (?:yet|who|what|when|where|how|whether|if)|(?:has|have)n'?t been (?:decided|settled))\b",
    re.IGNORECASE,
)
_DECISION = re.compile(
    r"(?:こと|よう|という方針|方向|方針|案)(?:に|で|と)(?:いた)?(?:します|しました|しましょう|なりました|決|進め)|"
    r"決ま(?:りました|った|りです|っています)|決定(?:と|し|です|いた|さ)|決め(?:ました|たい)|とします|可決|承認[しさ]|"
    r"採用(?:し|する)|合意(?:し|が)|了承|(?:に|へ)変更(?:し|いた)|"
    r"[0-9一二三四五六七八九十](?:日|時|曜日)?[^。]{0,30}(?:行います|開催します|開きます|実施します|行うこと)|"
    r"\b(?:(?:we|it|has|have|was|been|is|board|committee|council|team)[\w' ]{0,12}"
    r" (?:decided|agreed|resolved|approved|adopted)"
    r"|decision is|is decided|settled (?:then|on)|it is settled|we(?:'ll| will| shall) go (?:with|ahead)"
    r"|will (?:take place|be held)|next meeting (?:is|will be) (?:on|at)"
    r"|(?:motion|proposal|budget) (?:is |was )?(?:passed|carried|approved|accepted))\b",
    re.IGNORECASE,
)
_TO_DO = r"用意|準備|手配|連絡|注文|発注|作成|提出|報告|確認|共有|調整|送付|予約|依頼|配布|修正|調査"
_ACTION = re.compile(
    r"(?:まで(?:に|には|で)|以内に|中に)[^。]{0,40}(?:ます|ください|下さい|願い|こと|する|頼|い?ただけ|ましょう)|"
    r"(?:私|わたし|僕|わたくし|こちら|担当|課|係|部|さん|班|室)(?:が|で|から|の方で)[^。？?]{0,40}ます(?:。|$|ので)|"
    r"[をはにへとてでも][^。、]{0,12}(?:お願いします|お願いいたします|してください|して下さい|"
    r"[しっいえべめけせん][てで](?:もらえ|いただけ|くれ)ます?か)|"
    rf"(?:{_TO_DO})(?:を)?(?:し|いた)(?:ます|ておきます|ましょう)|"
    r"(?:作|送|調べ|伝え|配|まとめ|届け|知らせ|問い合わせ)[りら]?(?:ます|ておきます)(?:。|$)|宿題|"
    r"\b(?:(?:i|we|he|she|they|you|[A-Z][a-z]+)"
    r"(?:'ll| will| shall| is going to| am going to| are going to| has to| have to| needs? to| must)"
    r"(?! be\b| have\b| not be\b| go (?:with|ahead))|(?:could|can|would|will) you|please|action item|let'?s ask"
    r"|by (?:the end|next|tomorrow|tonight|noon|monday|tuesday|wednesday|thursday|friday|saturday|sunday|\d))\b",
    re.IGNORECASE,
)
_ASKS = re.compile(r"(?:(?:です|ます|でしょう|ません|たい|ない)か[。]?$|[?？][」』)）\"']*$)")
_REQUEST = re.compile(
    r"(?:もらえ|いただけ|くれ|頂け)ます?(?:でしょう)?か|\b(?:could|can|would|will) you\b|\bplease\b", re.IGNORECASE
)
_NO_ACTION = re.compile(r"ませんでした|\b(?:did|was) not\b|^please(?: do)?\W*$", re.IGNORECASE)
_CHAIRING = re.compile(
    r"^(?:次に|まず|続いて|では|それでは|これで|以上で)[^。]*(?:(?:確認|報告|開始|終了|開会|閉会)(?:を)?(?:し|いたし)|始め|終わり)"
    r"(?:ます|ましょう)|^(?:so |now |ok(?:ay)?,? |well,? )?(?:let's|let us) (?:begin|start|move on|continue|turn to)\b",
    re.IGNORECASE,
)
"""What the chair says to lead through the meeting."""
_JA_ALONE = re.compile(r"[はもを]")
_JA_POINTS = re.compile(r"それ|これ|そう|こう|その|この|そこ|ここ|あれ|あの|同じ")
_EN_POINTS = re.compile(r"\b(?:it|that|this|them|they|those|these|so|he|she|her|him|there|one|same)\b", re.IGNORECASE)

_EXAMPLES = {
    Kind.DECISION: (
        "それでは、この案で行くことに決定します。",
        "予算は五百万円とすることが承認されました。",
        "We decided to go with the second plan.",
        "The committee approved the proposal.",
    ),
    Kind.ACTION: (
        "私が金曜日までに資料を作って送ります。",
        "佐藤さん、来週までに業者へ連絡してください。",
        "I will send the report by Friday.",
        "Sato is to call the supplier by next week.",
    ),
    Kind.QUESTION: (
        "費用を誰が負担するのか、まだ決まっていません。",
        "この件は次回の会議で検討します。",
        "It is still open who will pay for it.",
        "We have not decided this yet and will discuss it next time.",
    ),
}
_SHORT = 14
"""Characters below which an English sentence says nothing of a topic; half of them in Japanese."""
_LIKE = 0.5
"""Cosine similarity to an example from which a sentence without a known phrase counts."""
_LOOKED_AT, _ANSWERS = 3, 0.2
"""A question is answered by one of so many sentences after it that is a statement and at least so much like it."""


def find(sentences: Sequence[str], vectors: Vectors, encoder: SentenceEncoder) -> list[Found]:
    """The sentences that do something, in order, each once; ``vectors`` are theirs, of length 1, shape (n, d)."""
    likeness = {kind: (vectors @ encoder.encode(examples).T).max(axis=1) for kind, examples in _EXAMPLES.items()}
    plain = [unicodedata.normalize("NFKC", sentence) for sentence in sentences]
    found = []
    for place, sentence in enumerate(plain):
        like = {kind: float(scores[place]) for kind, scores in likeness.items()}
        kind = _by_phrase(sentence)
        if kind is None and _ASKS.search(sentence):
            if not _answered(place, plain, vectors):
                found.append(Found(place, Kind.QUESTION, 0.5 + like[Kind.QUESTION]))
        elif kind is not None:
            found.append(Found(place, kind, 1 + like[kind]))
        elif max(like.values()) >= _LIKE:
            best = max(like, key=lambda each: like[each])
            found.append(Found(place, best, like[best]))
    return found


def asks(sentence: str) -> bool:
    """Whether a sentence has the form of a question."""
    return _ASKS.search(unicodedata.normalize("NFKC", sentence)) is not None


def says_little(sentence: str) -> bool:
    """Whether a sentence only asks, leads through the meeting or is a word or two."""
    short = len(sentence) < (_SHORT if sentence.isascii() else _SHORT // 2)
    return short or asks(sentence) or _CHAIRING.search(unicodedata.normalize("NFKC", sentence)) is not None


def is_open(sentence: str) -> bool:
    """Whether a sentence says, or asks, that something is open."""
    return asks(sentence) or _OPEN.search(unicodedata.normalize("NFKC", sentence)) is not None


def leans(sentence: str, language: str) -> bool:
    """Whether a sentence does not tell alone what it is about: without a topic or an object, or with a pronoun."""
    if language == "ja":
        return _JA_ALONE.search(sentence) is None or _JA_POINTS.search(sentence) is not None
    return language != "en" or _EN_POINTS.search(sentence) is not None


def _by_phrase(sentence: str) -> Kind | None:
    if _CHAIRING.search(sentence):
        return None
    if _OPEN.search(sentence):
        return Kind.QUESTION
    if _ASKS.search(sentence) and not _REQUEST.search(sentence):
        return None
    if _DECISION.search(sentence):
        return Kind.DECISION
    return Kind.ACTION if _ACTION.search(sentence) and not _NO_ACTION.search(sentence) else None


def _answered(place: int, sentences: Sequence[str], vectors: Vectors) -> bool:
    after = [i for i in range(place + 1, min(place + 1 + _LOOKED_AT, len(sentences))) if not _ASKS.search(sentences[i])]
    return any(float(vectors[place] @ vectors[i]) >= _ANSWERS and not _OPEN.search(sentences[i]) for i in after)
