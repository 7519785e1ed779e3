"""Who does something, and by when, as the words of a text say it. Nothing is guessed."""

from __future__ import annotations

import calendar
import re

_JA_DAY = (
    r"(?:[（(]?[月火水木金土日]曜?日?[）)]|[月火水木金土日]曜日?|"
    r"(?:今|来|再来|昨|当|同|翌|毎)(?:年度?|月|週|日)|(?:明後|明|翌|前|当|本|今)日|あした|あさって|今夜|今晩|今朝|"
    r"(?:令和|平成)?[0-9０-９一二三四五六七八九十元]{1,4}(?:年度?|月|日|時|分|週間?|[かヶカケ]月|営業日)(?:間|半|目)?|"
    r"(?:年度?|月|週|期)(?:末|初め|明け|内)|上旬|中旬|下旬|末日?|終わり|初め|始め|前半|後半|午前|午後|正午|夕方|朝|昼|"
    r"(?:次|次回|次々回)の?(?:会議|打ち合わせ|会合|定例会?|例会)|次回)"
)
_JA_DATE = rf"{_JA_DAY}(?:[のは、,\s]{{0,2}}{_JA_DAY})*"
_WEEKDAY = "(?:" + "|".join(calendar.day_name) + ")"
_MONTH = "(?:" + "|".join(calendar.month_name[1:]) + ")"
_NTH = r"\d{1,2}(?:st|nd|rd|th)?"
_EN_DAY = (
    rf"(?:(?:next|this|the following|coming) (?:{_WEEKDAY}|week(?:end)?|month|year|quarter|meeting)|{_WEEKDAY}|"
    r"tomorrow|tonight|today|noon|midnight|"
    rf"(?:the )?(?:end|beginning|middle) of (?:the |this |next )?(?:day|week|month|year|quarter|{_MONTH})|"
    rf"{_NTH}(?: of)? {_MONTH}(?:,? \d{{4}})?|{_MONTH}(?: {_NTH}\b(?:,? \d{{4}})?)?|\d{{4}}-\d{{2}}-\d{{2}}|"
    r"\d{1,2}(?::\d{2})? ?(?:a\.?m\.?|p\.?m\.?|o'clock)|the (?:next )?(?:meeting|\d{1,2}(?:st|nd|rd|th)))"
)
_EN_DATE = rf"{_EN_DAY}(?:(?:,? | at | on |, on ){_EN_DAY})*"
_EN_SPAN = r"(?:\d+|a|one|two|three|four) (?:days?|weeks?|months?|hours?)"
_DUES = [
    re.compile(rf"(?P<due>{_JA_DATE})(?=まで(?:に|には|で|。|、)|まで$)"),
    re.compile(rf"(?P<due>{_JA_DATE}(?:以内|中|のうち)?)(?=に)(?<=[内中ち])"),
    re.compile(rf"\b(?:by|until|no later than|due(?: on)?) (?P<due>{_EN_DATE})", re.IGNORECASE),
    re.compile(rf"\b(?P<due>(?:before|within) (?:{_EN_DATE}|{_EN_SPAN}))", re.IGNORECASE),
    re.compile(rf"(?P<due>{_JA_DATE})(?=に|、|中に)"),
    re.compile(rf"\b(?P<due>{_EN_DATE})", re.IGNORECASE),
]
"""Deadlines first, then days on which something is to be done."""

_NAME = r"[一-龥々ァ-ヶーA-Za-z0-9・]"
_ROLE = (
    r"(?:さん|氏|様|くん|君|課長|部長|係長|局長|主任|主査|室長|班長|会長|委員長|先生|担当者?|課|係|部|局|班|室|委員会|"
    r"事務局|チーム)"
)
_FIRST_PERSON = re.compile(
    r"(?:^|[、。\s]|は|も|を|に)(?:私|わたし|わたくし|僕|ぼく|俺|当方|こちら|うち)(?:ども|たち|の方)?"
    r"(?:が|は|で|から|も|、)|\b(?:I|I['’]ll|I['’]m|we['’]ll|we)\b"
)
_TEAM = r"[Tt]he (?:[a-z]+ ){1,3}?(?:team|department|office|committee|board|division|section)"
_EN_NAME = r"(?:(?:Mr|Ms|Mrs|Dr|Prof)\.? )?[A-Z][\w'-]+(?: [A-Z][\w'-]+)?"
_DOES = (
    r"(?: will| shall| is going to| has to| needs to| must| is to| to (?=[a-z])|'ll"
    r"|, (?:please|could|can|would|will you))"
)
_NAMED = [
    re.compile(rf"(?P<owner>{_NAME}{{1,12}}?{_ROLE})(?=(?:の方)?(?:が|で|から|は|も)(?!ない|なく|必要|決))"),
    re.compile(rf"(?P<owner>{_NAME}{{1,12}}?{_ROLE})(?=、|に(?:は)?(?:お願い|頼|任せ|担当))"),
    re.compile(r"(?P<owner>[一-龥々]{2,4})が(?=[^。]*[しりきえけちびせべみい]ます(?:。|$))"),
    re.compile(rf"\b(?P<owner>{_EN_NAME}|{_TEAM})(?={_DOES})"),
    re.compile(rf"(?:please|you),? (?P<owner>{_EN_NAME})[?.]"),
    re.compile(rf"(?:[Cc]an|[Cc]ould|[Ww]ill|[Ww]ould|[Ll]et|[Aa]sk) (?P<owner>{_EN_NAME})(?= )"),
    re.compile(rf",\s(?P<owner>{_EN_NAME})[?.]?$"),
]
_NOBODY = {
    *("誰", "だれ", "どこ", "何", "参加者", "全部", "一部", "本部", "外部", "内部", "会議室", "集会室", "必要", "予定"),
    *("準備", "費用", "結果", "天候", "時間", "資料", "人数", "予算", "場合", "会場", "会議"),
    *("I", "We", "It", "This", "That", "They", "He", "She", "You", "There", "Who", "What", "Please", "The", "Then"),
    *("And", "If", "Let"),
}
_ASKS_OTHERS = re.compile(
    r"ください|下さい|お願い(?:し|いた|でき)|(?:もらえ|いただけ|頂け|くれ)ます?(?:でしょう)?か|ましょう|"
    r"\b(?:please|could you|can you|would you|will you|let's)\b",
    re.IGNORECASE,
)
_ACCEPTS = re.compile(
    r"(?:はい|わかりました|分かりました|了解|承知|かしこまり|いいですよ|やります)|"
    r"(?:yes|sure|ok(?:ay)?|will do|certainly|of course|i will|i'll|i can)\b",
    re.IGNORECASE,
)


def due(sentence: str) -> str:
    """By when something is to be done, in the words of the sentence; empty where it does not say."""
    for pattern in _DUES:
        if found := pattern.search(sentence):
            return found["due"].strip("、, ")
    return ""


def owner(sentence: str, speaker: str, labels: frozenset[str]) -> str:
    """Who is to do it: who is named or addressed, or the speaker where he speaks of himself or of nobody; else empty.

    ``labels`` are the speakers of the text, who are known wherever they are named.
    """
    others = _ASKS_OTHERS.search(sentence) is not None
    if not others and speaks_of_himself(sentence):
        return speaker
    return _named(sentence, labels) or ("" if others else speaker)


def speaks_of_himself(sentence: str) -> bool:
    """Whether a sentence says I or we."""
    return _FIRST_PERSON.search(sentence) is not None


def accepts(sentence: str) -> bool:
    """Whether an answer takes on what was asked."""
    return _ACCEPTS.match(sentence) is not None


def _named(sentence: str, labels: frozenset[str]) -> str:
    after = r"(?:さん|氏)?(?=が|は|、|に(?:お願い|頼)|で|から| will| to |,|\?)"
    for label in sorted(labels, key=len, reverse=True):
        if found := re.search(rf"(?<!\w){re.escape(label)}{after}", sentence):
            return found.group()
    return next(
        (found["owner"] for pattern in _NAMED for found in pattern.finditer(sentence) if found["owner"] not in _NOBODY),
        "",
    )
