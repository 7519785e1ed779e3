"""The translation service against llama.cpp in this process, with the prompts and settings of the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from bench.measure import Row, compare, seconds, service
from buhin.client import TranslateClient
from buhin.config import TextSettings
from buhin.engine import Stop
from buhin.models.store import ModelStore
from buhin.text.llama import LlamaGenerator
from services.translate.engine import Options
from services.translate.engines.prompts import to_translate

PLACES = (
    "図書館", "市役所", "駅", "病院", "公園", "学校", "郵便局", "銀行", "博物館", "体育館", "消防署", "警察署",
    "美術館", "保育園", "港", "市場",
)  # fmt: skip
SENTENCES, MANY = 4, 16
"""Of a run with one caller, and of one that compares eight with one."""
CALLERS = 8


def rows() -> Iterator[Row]:
    """One caller, and eight."""
    settings = TextSettings()
    model = ModelStore.from_settings(settings).open(settings.text_model)
    with service("translate") as address, TranslateClient(address) as client, ThreadPoolExecutor(CALLERS) as pool:
        generator = LlamaGenerator(
            model, context_tokens=settings.text_context_tokens, slots=settings.slots, threads=settings.threads
        )
        own, other = sentences(), sentences()

        def one() -> None:
            for sentence in islice(own, SENTENCES):
                ask(sentence)

        def bare() -> None:
            for sentence in islice(other, SENTENCES):
                write(sentence)

        def ask(sentence: str) -> None:
            client.translate_text([sentence], source="ja", target="en")

        def write(sentence: str) -> None:
            generator.generate(to_translate(sentence, Options("ja", "en")), stop=Stop())

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
            ("sentences a second, eight callers", _rate(lambda: list(pool.map(ask, islice(own, MANY))))),
            ("sentences a second, one caller", _rate(lambda: list(map(ask, islice(own, MANY))))),
            "1/s",
            at_least=1.3,
            note="the library alone gains as little, see below: two cores are busy with reading one prompt",
        )
        yield compare(
            f"llama.cpp alone, {settings.slots} slots, {CALLERS} texts at once against one",
            ("sentences a second, eight at once", _rate(lambda: list(pool.map(write, islice(other, MANY))))),
            ("sentences a second, one at a time", _rate(lambda: list(map(write, islice(other, MANY))))),
            "1/s",
        )
        generator.close()


def sentences() -> Iterator[str]:
    """Each is a new one, since the library keeps the state of the prompts that it had last."""
    for away in range(1, len(PLACES)):
        for one, other in zip(PLACES, PLACES[away:] + PLACES[:away], strict=True):
            yield f"{one}は{other}の近くにあります。"


def _rate(work: Callable[[], object]) -> Callable[[], float]:
    return lambda: MANY / seconds(work)()
