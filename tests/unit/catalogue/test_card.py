"""The cards of the services agree with their protos and their code."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool
from pydantic import ValidationError

from buhin.catalogue.card import ServiceCard
from tests.conftest import ROOT

CARDS = sorted((ROOT / "services").glob("*/card.yaml"))
CODE = re.compile(r"[A-Z]+(_[A-Z0-9]+)*")


@pytest.fixture(params=CARDS, ids=lambda path: path.parent.name)
def path(request: pytest.FixtureRequest) -> Path:
    """A card of the house."""
    return Path(request.param)


def test_it_names_its_service_and_all_methods_of_the_proto(path: Path) -> None:
    card = ServiceCard.load(path)
    function = path.parent.name
    importlib.import_module(f"buhin.{function}.v1.{function}_pb2")
    service = descriptor_pool.Default().FindServiceByName(card.service)
    assert card.function == function
    assert [method.method for method in card.methods] == [method.name for method in service.methods]


def test_the_servicer_defines_what_the_card_calls_implemented_and_refuses_the_rest(path: Path) -> None:
    card = ServiceCard.load(path)
    module = importlib.import_module(f"services.{card.function}.servicer")
    generated = importlib.import_module(f"buhin.{card.function}.v1.{card.function}_pb2_grpc")
    base = getattr(generated, card.service.rpartition(".")[2] + "Servicer")
    (servicer,) = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, base) and c is not base]
    for method in card.methods:
        written = vars(servicer).get(method.method)
        refuses = written is None or "NotImplementedMethodError" in inspect.getsource(written)
        assert refuses is not method.implemented, method.method


def test_it_is_honest_and_bilingual(path: Path) -> None:
    card = ServiceCard.load(path)
    assert card.known_limits
    assert card.quality
    texts = [
        card.title,
        card.description,
        *card.known_limits,
        *card.review_codes.values(),
        *card.warning_codes.values(),
    ]
    for text in texts:
        assert sum(map(str.isascii, text.en)) > 0.9 * len(text.en), text.en
        assert not text.ja.isascii()


def test_its_codes_are_those_that_the_code_gives(path: Path) -> None:
    card = ServiceCard.load(path)
    declared = {*card.review_codes, *card.warning_codes}
    assert all(CODE.fullmatch(code) for code in declared)
    source = "\n".join(module.read_text(encoding="utf-8") for module in path.parent.rglob("*.py"))
    unused = {code for code in declared if f'"{code}"' not in source}
    assert not unused


def test_a_card_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "card.yaml"
    wrong.write_text(CARDS[0].read_text(encoding="utf-8") + "\nsurprise: 1\n", encoding="utf-8")
    with pytest.raises(ValidationError, match="surprise"):
        ServiceCard.load(wrong)
