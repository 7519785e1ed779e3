"""Who speaks: lines that begin with a name or a label and a colon."""

from __future__ import annotations

import re
from dataclasses import dataclass

from buhin.text.sentences import Span, split

_LABEL = re.compile(r"(?P<label>[^\W_](?:[\w.'・\-（）()]| (?=\S)){0,29}?)[ \u3000]*(?:：|:(?=\s|$|[^\x00-\x7f/]))\s*")
_MOST_WORDS = 3
_FIELDS = {
    *(
        "日時",
        "日付",
        "場所",
        "会場",
        "議題",
        "題名",
        "件名",
        "出席者",
        "参加者",
        "欠席者",
        "司会",
        "記録",
        "目的",
        "内容",
    ),
    *(
        "対象",
        "備考",
        "注意",
        "注",
        "資料",
        "決定",
        "決定事項",
        "結論",
        "課題",
        "期限",
        "担当",
        "費用",
        "予算",
        "連絡先",
    ),
    *("電話", "例", "次回", "date", "time", "place", "location", "venue", "agenda", "topic", "subject", "title"),
    *("present", "attendees", "absent", "note", "notes", "warning", "decision", "decisions", "action", "actions"),
    *("summary", "example", "budget", "cost", "deadline", "due", "owner", "question", "purpose", "contact", "phone"),
    *("re", "http", "https"),
}
"""What stands before a colon in the head of a record and is nobody."""


@dataclass(frozen=True)
class Utterance:
    """A sentence of the text without the label before it, and who says it; nobody known: empty."""

    span: Span
    speaker: str


def utterances(text: str) -> list[Utterance]:
    """The sentences of a text in order. A label holds to the end of its line; alone on its line, for the next one."""
    found = []
    speaker, line, waiting = "", -1, False
    for span in split(text):
        begins = text.rfind("\n", 0, span.start) + 1
        if begins != line:
            line, speaker, waiting = begins, speaker if waiting else "", False
            if label := _label(span.of(text)):
                speaker = label["label"]
                span = Span(span.start + label.end(), span.end)
                waiting = span.start == span.end
        if span.start < span.end:
            found.append(Utterance(span, speaker))
    return found


def _label(sentence: str) -> re.Match[str] | None:
    found = _LABEL.match(sentence)
    if found is None or found["label"].lower() in _FIELDS or len(found["label"].split()) > _MOST_WORDS:
        return None
    return None if found["label"].isdigit() else found
