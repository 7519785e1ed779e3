"""What a summarizer must be able to do before it takes the place of one that serves."""

from __future__ import annotations

from buhin.engine import Stop
from buhin.errors import UnusableModelError
from services.summarize.engine import Method, Options, Style, SummarizeEngine, Summary
from services.summarize.reasons import supported

TEXT = (
    "市立図書館は来年の四月に新しい建物へ移ります。"
    "本は八万冊に増え、自習室が二つできます。"
    "開館時間は午前九時から午後八時までです。"
    "駐車場が少ないので、バスで来てください。"
)


def accept(engine: SummarizeEngine) -> None:
    """Let it select and write, and let the source support a part of it. Raises UnusableModelError."""
    for method in Method:
        options = Options(
            method=method,
            style=Style.PARAGRAPH,
            source="ja",
            target="ja",
            max_characters=None,
            max_sentences=2,
            query="",
        )
        found = next(each for each in engine.summarize(TEXT, options, Stop()) if isinstance(each, Summary))
        if not any(supported(sentence) for sentence in found.sentences):
            problem = f"the source supports nothing of its {method.name.lower()} summary"
            raise UnusableModelError(engine=engine.name, model=engine.models[0].model_id, problem=problem)
