"""The translation service against llama.cpp in this process, with the prompts and settings of the service."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.measure import Row, compare, seconds, service
from buhin.client import TranslateClient
from buhin.config import TextSettings
from buhin.engine import Stop
from buhin.models.store import ModelStore
from buhin.text.llama import LlamaGenerator
from services.translate.engine import Options
from services.translate.engines.prompts import to_translate

SENTENCES = (
    "市は来年の春に新しい図書館を開く予定です。",
    "雨のため、運動会は来週の日曜日に延期になりました。",
    "窓口で本人確認書類を見せてください。",
    "駐車場が少ないので、電車で来てください。",
)
CALLERS = 8


def rows() -> Iterator[Row]:
    """One caller, and eight."""
    settings = TextSettings()
    model = ModelStore.from_settings(settings).open(settings.text_model)
    with service("translate") as address, TranslateClient(address) as client, ThreadPoolExecutor(CALLERS) as pool:
        generator = LlamaGenerator(
            model, context_tokens=settings.text_context_tokens, slots=settings.slots, threads=settings.threads
        )
        prompts = [to_translate(sentence, Options("ja", "en")) for sentence in SENTENCES]

        def bare() -> None:
            for prompt in prompts:
                generator.generate(prompt, stop=Stop())

        def one() -> None:
            for sentence in SENTENCES:
                client.translate_text([sentence], source="ja", target="en")

        def eight() -> None:
            list(pool.map(lambda s: client.translate_text([s], source="ja", target="en"), SENTENCES * 4))

        def alone() -> None:
            for _ in range(4):
                one()

        yield compare(
            "translation, sentence by sentence, one caller",
            ("service", seconds(one)),
            ("llama.cpp", seconds(bare)),
            "s",
            at_most=1.03,
            note="the service compares each sentence with its translation and may ask the model a second time",
        )
        generator.close()
        count = 4 * len(SENTENCES)
        yield compare(
            f"translation, {CALLERS} callers at once against one",
            ("sentences a second, eight callers", lambda: count / seconds(eight)()),
            ("sentences a second, one caller", lambda: count / seconds(alone)()),
            "1/s",
            at_least=1.3,
        )
