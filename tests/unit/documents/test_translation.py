"""A document through a client: batches, findings with their places, progress, languages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from buhin import documents, errors
from buhin.documents import marks
from buhin.documents.text import TextDocument
from buhin.documents.translation import BATCH_CHARACTERS, BATCH_TEXTS
from tests.conftest import ROOT
from tests.unit.documents.fake import AsyncFakeClient, FakeClient


def translated(folder: Path, text: str, client: FakeClient, **options: Any) -> documents.DocumentTranslation:
    """A text file through a client."""
    (folder / "in.txt").write_bytes(text.encode())
    given: dict[str, Any] = {"target": "ja"} | options
    return documents.translate(folder / "in.txt", folder / "out.txt", client, **given)  # type: ignore[arg-type]


def test_lines_are_translated_and_all_else_stays(tmp_path: Path) -> None:
    text = "\ufeffHello.\r\n\r\n  a doubt \u3000\n123\n---\nend"
    result = translated(tmp_path, text, client := FakeClient(), glossary={"a": "b"}, glossary_id="city", furigana=True)
    assert (tmp_path / "out.txt").read_bytes().decode() == "\ufeffhELLO.\r\n\r\n  A DOUBT \u3000\n123\n---\nEND"
    ((texts, options),) = client.calls
    assert texts == ["Hello.", "a doubt", "end"]
    assert options == {
        "target": "ja", "source": "en", "glossary": {"a": "b"}, "glossary_id": "city", "do_not_translate": (),
        "furigana": True,
    }  # fmt: skip
    assert [(f.place and f.place.en, f.reason.code, f.reason.subject) for f in result.findings] == [
        (None, "WEAK_DIRECTION", ""), ("line 3", "LOW_SIMILARITY", "sentences[0]"),
    ]  # fmt: skip
    assert [(warning.code, warning.field) for warning in result.warnings] == [("SAME_LANGUAGE", "")]
    assert (result.source, result.target, result.segments) == ("en", "ja", 5)


def test_calls_are_within_limits_and_progress_is_told(tmp_path: Path) -> None:
    lines = ["a"] * 150 + ["b" * 3000] * 3 + ["One sentence. " * 1000]
    said: list[tuple[int, int]] = []
    client = FakeClient()
    translated(tmp_path, "\n".join(lines), client, on_progress=lambda done, total: said.append((done, total)))
    for texts, _ in client.calls:
        assert len(texts) <= BATCH_TEXTS
        assert len(texts) == 1 or sum(map(len, texts[:-1])) < BATCH_CHARACTERS
        assert max(map(len, texts)) <= BATCH_CHARACTERS
    assert said[-1][0] == said[-1][1]
    assert [done for done, _ in said] == sorted({done for done, _ in said})
    assert (tmp_path / "out.txt").read_text() == "\n".join(lines).swapcase()


def test_a_language_that_is_given_is_not_detected(tmp_path: Path) -> None:
    client = FakeClient(language="")
    assert translated(tmp_path, "a", client, source="de").source == "de"
    with pytest.raises(errors.MissingFieldError):
        translated(tmp_path, "a", client)


async def test_the_async_twin_does_the_same(tmp_path: Path) -> None:
    (tmp_path / "in.md").write_text("# a *doubt*\n")
    client: Any = AsyncFakeClient()
    result = await documents.translate_async(tmp_path / "in.md", tmp_path / "out.md", client, target="ja")
    assert (tmp_path / "out.md").read_text() == "# A *DOUBT*\n"
    assert [f.place.en for f in result.findings if f.place] == ["line 1"]


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("a.txt", b"1\n--", errors.EmptyInputError, "document"),
        ("a.txt", b"\xff", errors.UnreadableMediaError, "UTF-8"),
        ("a.pdf", b"a", errors.UnreadableMediaError, ".docx"),
        ("a.docx", b"a", errors.UnreadableMediaError, "ZIP"),
        ("a.txt", b"a" * (20 * 1024 * 1024 + 1), errors.InputTooLargeError, "bytes"),
    ],
)
def test_bad_documents(tmp_path: Path, name: str, content: bytes, error: type[errors.BuhinError], words: str) -> None:
    (tmp_path / name).write_bytes(content)
    client: Any = FakeClient()
    with pytest.raises(error, match=words):
        documents.translate(tmp_path / name, tmp_path / "out", client, target="ja")
    assert not (tmp_path / "out").exists()
    assert client.calls == []


def test_the_lines_of_a_text_are_counted_with_any_line_end() -> None:
    document = TextDocument(b"a\r\nb\rc\n\nd")
    assert [segment.place.number for segment in document.segments] == [1, 2, 3, 5]


@pytest.mark.parametrize(
    ("source", "target", "intact"),
    [
        ("<g1>a</g1> <x2/>", "<x2/> <g1>b</g1>", True),
        ("<g1>a</g1>", "<g1>b", False),
        ("<g1>a</g1>", "</g1>b<g1>", False),
        ("<g1>a</g1><g2>b</g2>", "<g1>a<g2>b</g1></g2>", False),
        ("<g1>a</g1><g2>b</g2>", "<g1>a<g2>b</g2></g1>", True),
        ("<x1/>", "<x1/><x1/>", False),
        ("a", "<x1/>", False),
    ],
)
def test_tags_are_whole_or_not(source: str, target: str, intact: bool) -> None:
    assert marks.intact(source, target) is intact


def test_the_package_is_light_until_a_document_is_read() -> None:
    code = "import sys, buhin.documents; print(sorted({'lxml', 'budoux', 'numpy', 'markdown_it'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.strip() == "[]"
