"""The translation service against llama.cpp in this process, with the prompts and settings of the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.measure import Row, compare, seconds, service
from buhin.client import TranslateClient
from buhin.config import TextSettings
from buhin.engine import Stop
from buhin.models.store import ModelStore
from buhin.text.generator import Prompt
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
                ask(sentence)

        def ask(sentence: str) -> None:
            client.translate_text([sentence], source="ja", target="en")

        def write(prompt: Prompt) -> None:
            generator.generate(prompt, stop=Stop())

        yield compare(
            "translation, sentence by sentence, one caller",
            ("service", seconds(one)),
            ("llama.cpp", seconds(bare)),
            "s",
            at_most=1.03,
            note="the service compares each sentence with its translation and may ask the model a second time",
        )
        yield compare(
            f"translation, {CALLERS} callers at once against one",
            ("sentences a second, eight callers", _rate(lambda: list(pool.map(ask, SENTENCES * 2)))),
            ("sentences a second, one caller", _rate(lambda: list(map(ask, SENTENCES * 2)))),
            "1/s",
            at_least=1.3,
            note="the library alone gains as little here, see below: two cores are busy with one text",
        )
        yield compare(
            f"llama.cpp alone, {settings.slots} slots, {CALLERS} texts at once against one",
            ("sentences a second, eight at once", _rate(lambda: list(pool.map(write, prompts * 2)))),
            ("sentences a second, one at a time", _rate(lambda: list(map(write, prompts * 2)))),
            "1/s",
        )
        generator.close()


def _rate(work: Callable[[], object]) -> Callable[[], float]:
    return lambda: 2 * len(SENTENCES) / seconds(work)()
