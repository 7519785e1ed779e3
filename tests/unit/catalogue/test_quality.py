"""The figures on the cards and in docs/quality.md are those of `make evaluate`, of the models of the manifest."""

from __future__ import annotations

from buhin.config import Settings
from buhin.models.manifest import Manifest
from scripts.evaluate import PAGE, cards, page


def test_the_page_says_what_the_cards_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(cards())


def test_every_figure_is_of_a_model_of_the_manifest_by_its_digest() -> None:
    digests = {model.id: model.digest for model in Manifest.load(Settings().manifest).models}
    for card in cards():
        for figure in card.quality:
            expected = digests[figure.model_id] if figure.model_id else ""
            assert figure.model_digest == expected, (card.function, figure.measure)
