"""`buhin translate` on documents, live, and into plain Japanese, against a service with a known engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from buhin.cli.main import app
from buhin.serving import Server
from tests.unit.translate.test_translate import Fixed, application


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, silent_services: None) -> Iterator[Fixed]:
    """The engine of a running service whose address is in the environment."""
    engine, ready, done, addresses = Fixed(), threading.Event(), asyncio.Event(), list[str]()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with Server(application(engine)) as server:
            await server.started()
            addresses.append(server.address)
            ready.set()
            await done.wait()

    running = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    running.start()
    assert ready.wait(30)
    for name, value in {"TRANSLATE_ADDRESS": addresses[0], "LANG": "en"}.items():
        monkeypatch.setenv(f"BUHIN_{name}", value)
    monkeypatch.setenv("COLUMNS", "200")
    yield engine
    loop.call_soon_threadsafe(done.set)
    running.join(30)
    loop.close()


def buhin(*arguments: str | Path, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["translate", *map(str, arguments)], input=given)


def test_a_document_keeps_its_form_and_the_review_its_places(engine: Fixed, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Title\n\nWe have **ten** {name} here, dear friends.\n")
    result = buhin("--to", "ja", "--from", "en", tmp_path / "a.md", "-o", tmp_path / "b.md")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "b.md").read_text() == "# TITLE\n\nWE HAVE TEN {NAME} HERE, DEAR FRIENDS.\n"
    assert result.stdout == ""
    assert "EMPHASIS_LOST line 3: the translation has none of the emphasis" in result.stderr
    assert "EXACT_TEXT_LOST line 3" in result.stderr
    assert "WEAK_DIRECTION: the model is weak from en to ja" in result.stderr


def test_live_prints_sentences_in_order(engine: Fixed) -> None:
    result = buhin("--to", "ja", "--from", "en", "--live", given="Hello there. How\nare you? Fine")
    assert result.exit_code == 0, result.output
    assert result.stdout == "HELLO THERE.\nHOW\nARE YOU?\nFINE\n"
    assert "WEAK_DIRECTION: the model is weak" in result.stderr
    assert [content for content, _ in engine.asked] == ["Hello there.", "How", "are you?", "Fine"]


def test_plain_japanese_with_furigana(engine: Fixed) -> None:
    result = buhin("--to", "ja-x-easy", "--text", "避難してください。", "--furigana")
    assert result.exit_code == 0, result.output
    ((_, options),) = engine.asked
    assert (options.source, options.target, options.furigana) == ("ja", "ja-x-easy", True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--live"], "--live reads standard input and needs --from"),
        (["--live", "--from", "en", "a.txt"], "--live reads standard input"),
        (["a.docx"], "a.docx is a document: give -o FILE"),
    ],
)
def test_what_is_asked_wrongly_is_said(arguments: list[str], expected: str) -> None:
    result = buhin("--to", "ja", *arguments)
    assert result.exit_code == 2
    assert expected in " ".join(result.output.replace("│", " ").split())


def test_a_file_that_is_no_document_is_said(engine: Fixed, tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"no")
    result = buhin("--to", "ja", tmp_path / "a.docx", "-o", tmp_path / "b.docx")
    assert result.exit_code == 1
    assert "error UNREADABLE_MEDIA: document cannot be read (not a whole ZIP file" in result.output
    assert not (tmp_path / "b.docx").exists()
