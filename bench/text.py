"""The translation service against llama.cpp in this process, with the prompts and settings of the service."""

from __future__ import annotations

import itertools
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
NUMBERED = (
    "{}番の窓口は二階です。",
    "{}番の書類は受付で渡します。",
    "{}番のバスは駅に行きます。",
    "{}番の部屋で会議をします。",
)
"""For eight callers each sentence is a new one: the library keeps the state of the prompts that it had last."""
CALLERS = 8


def rows() -> Iterator[Row]:
    """One caller, and eight."""
    settings = TextSettings()
    model = ModelStore.from_settings(settings).open(settings.text_model)
    with service("translate") as address, TranslateClient(address) as client, ThreadPoolExecutor(CALLERS) as pool:
        generator = LlamaGenerator(
            model, context_tokens=settings.text_context_tokens, slots=settings.slots, threads=settings.threads
        )
        prompts = list(map(prompt, SENTENCES))
        numbers = itertools.count(1)

        def new() -> list[str]:
            return [sentence.format(next(numbers)) for sentence in NUMBERED * 4]

        def bare() -> None:
            for each in prompts:
                generator.generate(each, stop=Stop())

        def one() -> None:
            for sentence in SENTENCES:
                ask(sentence)

        def ask(sentence: str) -> None:
            client.translate_text([sentence], source="ja", target="en")

        def write(asked: Prompt) -> None:
            generator.generate(asked, stop=Stop())

        yield compare(
            "translation, sentence by sentence, one caller",
            ("service", seconds(one)),
            ("llama.cpp", seconds(bare)),
            "s",
            at_most=1.03,
            runs=9,
            note="the service also compares each sentence with its translation",
        )
        yield compare(
            f"translation, {CALLERS} callers at once against one",
            ("sentences a second, eight callers", _rate(lambda: list(pool.map(ask, new())))),
            ("sentences a second, one caller", _rate(lambda: list(map(ask, new())))),
            "1/s",
            at_least=1.3,
            note="the library alone gains as little, see below: two cores are busy with reading one prompt",
        )
        yield compare(
            f"llama.cpp alone, {settings.slots} slots, {CALLERS} texts at once against one",
            ("sentences a second, eight at once", _rate(lambda: list(pool.map(write, map(prompt, new()))))),
            ("sentences a second, one at a time", _rate(lambda: list(map(write, map(prompt, new()))))),
            "1/s",
        )
        generator.close()


def prompt(sentence: str) -> Prompt:
    """What the service asks the model for a sentence."""
    return to_translate(sentence, Options("ja", "en"))


def _rate(work: Callable[[], object]) -> Callable[[], float]:
    return lambda: 4 * len(NUMBERED) / seconds(work)()
