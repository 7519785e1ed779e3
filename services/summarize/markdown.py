"""Minutes as Markdown, their headings in the language of the summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.summarize.engine import NO_SPACES, Minutes


@dataclass(frozen=True)
class _Words:
    topics: str
    decisions: str
    actions: str
    open_questions: str
    owner: str
    due: str


_WORDS = {
    "ar": _Words("المواضيع", "القرارات", "المهام", "أسئلة مفتوحة", "المسؤول", "الموعد"),
    "de": _Words("Themen", "Beschlüsse", "Aufgaben", "Offene Fragen", "zuständig", "bis"),
    "en": _Words("Topics", "Decisions", "Actions", "Open questions", "owner", "due"),
    "es": _Words("Temas", "Decisiones", "Tareas", "Cuestiones abiertas", "responsable", "plazo"),
    "fr": _Words("Sujets", "Décisions", "Actions", "Questions ouvertes", "responsable", "échéance"),
    "it": _Words("Argomenti", "Decisioni", "Azioni", "Questioni aperte", "responsabile", "scadenza"),
    "ja": _Words("議題", "決定事項", "実施事項", "未決事項", "担当", "期限"),
    "ko": _Words("안건", "결정 사항", "실행 사항", "미결 사항", "담당", "기한"),
    "nl": _Words("Onderwerpen", "Besluiten", "Acties", "Open vragen", "verantwoordelijk", "uiterlijk"),
    "pl": _Words("Tematy", "Decyzje", "Zadania", "Otwarte pytania", "odpowiedzialny", "termin"),
    "pt": _Words("Assuntos", "Decisões", "Ações", "Questões em aberto", "responsável", "prazo"),
    "ru": _Words("Темы", "Решения", "Задачи", "Открытые вопросы", "ответственный", "срок"),
    "th": _Words("หัวข้อ", "มติ", "งานที่ต้องทำ", "คำถามที่ยังเปิดอยู่", "ผู้รับผิดชอบ", "กำหนด"),
    "tr": _Words("Konular", "Kararlar", "Yapılacaklar", "Açık sorular", "sorumlu", "son tarih"),
    "zh": _Words("议题", "决定事项", "行动事项", "未决问题", "负责人", "期限"),
}


def markdown(minutes: Minutes, sentences: Sequence[str], language: str) -> str:
    """The parts that have something, each under its heading; who said or does it and by when after each sentence."""
    words = _WORDS[language]
    open_, comma, close = ("（", "、", "）") if language in NO_SPACES - {"th"} else (" (", ", ", ")")

    def line(sentence: int, *notes: str) -> str:
        given = comma.join(note for note in notes if note)
        return f"- {sentences[sentence]}" + (f"{open_}{given}{close}" if given else "")

    topics = [
        "\n".join([f"### {topic.title}", "", *(line(item.sentence, item.speaker) for item in topic.items)])
        for topic in minutes.topics
    ]
    actions = [
        line(
            action.sentence,
            action.owner and f"{words.owner}: {action.owner}",
            action.due and f"{words.due}: {action.due}",
        )
        for action in minutes.actions
    ]
    parts = {
        words.topics: "\n\n".join(topics),
        words.decisions: "\n".join(line(item.sentence) for item in minutes.decisions),
        words.actions: "\n".join(actions),
        words.open_questions: "\n".join(line(item.sentence) for item in minutes.open_questions),
    }
    return "\n\n".join(f"## {heading}\n\n{part}" for heading, part in parts.items() if part)
