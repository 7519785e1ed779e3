"""`buhin translate`: texts, documents in their form, and text as it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buhin.cli import output
from buhin.cli.functions import AsJson, From, Out, Timeout, To

if TYPE_CHECKING:
    from buhin.documents import DocumentTranslation


def translate(
    to: To,
    file: Annotated[
        str,
        typer.Argument(metavar="[FILE]", help="A UTF-8 text file, - for standard input, or a document with -o."),
    ] = "",
    text: Annotated[str, typer.Option(help="A text instead of a file.")] = "",
    live: Annotated[
        bool, typer.Option("--live", help="Translate standard input as it comes, sentence by sentence; needs --from.")
    ] = False,
    source: From = "",
    term: Annotated[
        list[str] | None, typer.Option(metavar="TERM=TRANSLATION", help="How a term is translated; repeatable.")
    ] = None,
    keep: Annotated[list[str] | None, typer.Option(metavar="TERM", help="A term that stays; repeatable.")] = None,
    glossary: Annotated[str, typer.Option(metavar="ID", help="A glossary of the service.")] = "",
    furigana: Annotated[
        bool, typer.Option("--furigana", help="Give the readings of kanji, where the target is ja-x-easy.")
    ] = False,
    out: Out = None,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Translate a text or, with -o, a document (.txt .md .srt .vtt .docx) into one of the same form.

    The language ja-x-easy is plain Japanese (やさしい日本語).
    """
    options: dict[str, Any] = {
        "target": to,
        "source": source,
        "glossary": dict(_term(each) for each in term or ()),
        "glossary_id": glossary,
        "do_not_translate": keep or (),
        "furigana": furigana,
    }
    if live:
        if not source or file or text:
            raise typer.BadParameter("--live reads standard input and needs --from")
        _live(options, timeout)
    elif _is_document(file) and out is not None and not as_json:
        _document(Path(file), out, options, timeout)
    elif Path(file).suffix.lower() == ".docx":
        raise typer.BadParameter(f"{file} is a document: give -o FILE")
    else:
        _text(text, file, options, out, timeout, as_json)


def _text(text: str, file: str, options: dict[str, Any], out: Path | None, timeout: float | None, json: bool) -> None:
    from buhin.client import TranslateClient

    with output.reported():
        content = text or output.read_text(file)
        with output.working(f"→ {options['target']}"), TranslateClient(timeout_s=timeout) as client:
            answer = client.translate_text([content], **options)
    if json:
        output.write_json(answer, out)
        return
    output.write_text(answer.translations[0].translated_text, out)
    output.print_review(answer.review)


def _document(file: Path, out: Path, options: dict[str, Any], timeout: float | None) -> None:
    from buhin import documents
    from buhin.client import TranslateClient

    with (
        output.reported(),
        output.progress(f"{file.name} → {options['target']}") as on_progress,
        TranslateClient(timeout_s=timeout) as client,
    ):
        result = documents.translate(file, out, client, on_progress=on_progress, **options)
    output.note(str(out))
    _print_findings(result)


def _live(options: dict[str, Any], timeout: float | None) -> None:
    from buhin.client import TranslateClient

    with output.reported(), TranslateClient(timeout_s=timeout) as client:
        for answer in client.stream_translate_text(_lines(), **options):
            sys.stdout.write(answer.translated_text + "\n")
            sys.stdout.flush()
            for reason in answer.review.reasons:
                output.note(f"  {reason.code}: {output.say(reason.message, reason.message_ja)}")


def _lines() -> Iterator[str]:
    """Standard input as it comes. What is not UTF-8 is marked in the text, since the rest of a talk is worth having."""
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", "replace")


def _is_document(file: str) -> bool:
    from buhin.documents import SUFFIXES

    return Path(file).suffix.lower() in SUFFIXES


def _print_findings(result: DocumentTranslation) -> None:
    if not result.findings and not result.warnings:
        return
    console = output.console(stderr=True)
    for warning in result.warnings:
        output.note(output.say(warning.message, warning.message_ja))
    if result.findings:
        console.print(
            output.say("[bold yellow]A person should look at this:[/]", "[bold yellow]人による確認をお勧めします:[/]")
        )
    for finding in result.findings:
        place = f" {output.say(finding.place.en, finding.place.ja)}" if finding.place else ""
        console.print(f"  [yellow]{finding.reason.code}[/]{place}: ", end="")
        console.print(output.say(finding.reason.message, finding.reason.message_ja), markup=False)


def _term(given: str) -> tuple[str, str]:
    term, equals, translation = given.partition("=")
    if not (term and equals and translation):
        raise typer.BadParameter(f"--term {given}: give TERM=TRANSLATION")
    return term, translation
