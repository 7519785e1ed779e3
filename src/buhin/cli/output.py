"""What every command shares: the reader's language, errors, JSON, progress."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import Message
    from rich.console import Console

    from buhin.common.v1.common_pb2 import Review
    from buhin.errors import BuhinError


def japanese() -> bool:
    """Whether the reader's language is Japanese: ``BUHIN_LANG``, else the locale of the environment."""
    names = ("BUHIN_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    return next((value for name in names if (value := os.environ.get(name))), "").startswith("ja")


def say(en: str, ja: str) -> str:
    """The text in the reader's language."""
    return ja if japanese() else en


def console(*, stderr: bool = False) -> Console:
    """A Rich console."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def fail(error: BuhinError) -> NoReturn:
    """Say an error in one line, with what to do, and exit with status 1."""
    from buhin.errors import DrainingError, ModelError, NotReadyError, UnavailableError

    message = say(error.message, error.message_ja)
    if isinstance(error, UnavailableError) and not isinstance(error, (ModelError, NotReadyError, DrainingError)):
        message += say(". Is the service running? Start it with: buhin up", "。起動するには: buhin up")
    typer.echo(f"{say('error', 'エラー')} {error.reason}: {message}", err=True)
    raise typer.Exit(1)


@contextmanager
def reported() -> Iterator[None]:
    """Turn errors of the house, of files and of settings into one line and exit status 1; Ctrl-C into 130."""
    from pydantic import ValidationError

    from buhin.errors import BuhinError

    try:
        yield
    except BuhinError as error:
        fail(error)
    except OSError as error:
        told = f"{error.strerror}: {error.filename!r}" if error.filename else str(error)
        typer.echo(f"{say('error', 'エラー')}: {told}", err=True)
        raise typer.Exit(1) from error
    except ValidationError as error:
        for found in error.errors():
            name = "BUHIN_" + "_".join(str(part) for part in found["loc"]).upper()
            typer.echo(f"{say('setting', '設定')} {name}: {found['msg']}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(130) from error


def message_dict(message: Message) -> dict[str, Any]:
    """A message as its proto JSON, with the names of the proto."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def print_json(value: object) -> None:
    """Print plain types as JSON."""
    write_text(json.dumps(value, ensure_ascii=False, indent=2), None)


def print_json_line(value: object) -> None:
    """Print a value as JSON in one line."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def write_json(message: Message, out: Path | None) -> None:
    """Print a message as JSON, or write it to a file."""
    write_text(json.dumps(message_dict(message), ensure_ascii=False, indent=2), out)


def read_text(file: str) -> str:
    """The text of a file in UTF-8, or of standard input for ``-``."""
    if not file:
        raise typer.BadParameter("give a FILE, - for standard input, or --text")
    data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{file} is not UTF-8 text ({error.reason} at byte {error.start})") from error


def write_text(text: str, out: Path | None) -> None:
    """Print a result, or write it to a file."""
    if out is None:
        sys.stdout.write(text + "\n")
    else:
        out.write_text(text + "\n", encoding="utf-8")
        note(str(out))


def note(text: str) -> None:
    """Say something beside the result, on standard error."""
    console(stderr=True).print(text, style="dim", markup=False)


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show that something is being worked on, with the time it takes, where a person is looking."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    where = console(stderr=True)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
        console=where, transient=True, disable=not where.is_terminal,
    ) as progress:  # fmt: skip
        progress.add_task(text)
        yield


def clock(offset: Duration) -> str:
    """A time of a recording in minutes and seconds."""
    seconds = offset.ToTimedelta().total_seconds()
    return f"{int(seconds // 60):02}:{seconds % 60:04.1f}"


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that shows how much is done, where a person is looking; call it with what is done and all."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    where = console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=where, transient=True, disable=not where.is_terminal,
    ) as shown:  # fmt: skip
        task = shown.add_task(text, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def print_review(review: Review) -> None:
    """Say why a person should look, when they should, on standard error."""
    if not review.recommended:
        return
    out = console(stderr=True)
    out.print(say("[bold yellow]A person should look at this:[/]", "[bold yellow]人による確認をお勧めします:[/]"))
    for reason in review.reasons:
        subject = f" {reason.subject}" if reason.subject else ""
        out.print(f"  [yellow]{reason.code}[/]{subject}: ", end="")
        out.print(say(reason.message, reason.message_ja), markup=False)
