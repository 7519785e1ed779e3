"""Shared glossaries."""

from __future__ import annotations

from pathlib import Path

import pytest

from buhin.errors import InvalidValueError
from buhin.text import glossary

CITY = "ja\ten\tzh\n区役所\tWard Office\t区政府\n\n避難所\tevacuation center\n課\t\t科\n  橋 \t bridge \n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two glossaries and other files."""
    for name, text in (("city.tsv", "\ufeff" + CITY), ("water.tsv", "ja\ten\n"), ("notes.txt", "no")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "latin.tsv").write_bytes(b"ja\ten\n\xe9\te\n")
    (tmp_path / "large.tsv").write_bytes(b"ja\ten\n" * 200_000)
    (tmp_path.parent / "secret.tsv").write_text(CITY, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("ja", "en", {"区役所": "Ward Office", "避難所": "evacuation center", "橋": "bridge"}),
        ("en", "ja", {"Ward Office": "区役所", "evacuation center": "避難所", "bridge": "橋"}),
        ("ja", "zh", {"区役所": "区政府", "課": "科"}),
        ("ja", "de", {}),
    ],
)
def test_a_glossary_serves_every_direction_that_it_has(
    folder: Path, source: str, target: str, expected: dict[str, str]
) -> None:
    assert glossary.pairs(glossary.load(folder, "city", "field"), source, target) == expected


def test_an_edit_counts_at_once(folder: Path) -> None:
    assert glossary.load(folder, "water", "field") == []
    (folder / "water.tsv").write_text("ja\ten\n水\tmineral water\n", encoding="utf-8")
    assert glossary.pairs(glossary.load(folder, "water", "field"), "ja", "en") == {"水": "mineral water"}


@pytest.mark.parametrize("name", ["town", "../secret", "city.tsv", "notes", "", ".", "a" * 65, "latin", "large"])
def test_what_is_no_glossary_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        glossary.load(folder, name, "glossary.glossary_id")
    assert caught.value.field == "glossary.glossary_id"
    assert caught.value.metadata["accepted"]


def test_without_a_folder_there_are_none() -> None:
    with pytest.raises(InvalidValueError, match="there are none"):
        glossary.load(None, "city", "field")
