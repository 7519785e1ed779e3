"""`buhin up`: the services in one terminal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from buhin.cli import output

if TYPE_CHECKING:
    from rich.console import Console

_COLOURS = ("cyan", "magenta", "green", "blue")


def up(
    functions: Annotated[
        list[str] | None, typer.Argument(metavar="[FUNCTION]...", help="speech, summarize, translate, image_inspect.")
    ] = None,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Use any free ports instead of the usual.")] = False,
    log_dir: Annotated[Path | None, typer.Option(help="Write a log a service there instead of here.")] = None,
) -> None:
    """Start the services and show what they log. Ctrl-C stops them when their work in flight is done."""
    from buhin.cli.supervisor import Died, Supervisor
    from buhin.config import PORTS

    names = list(dict.fromkeys(functions or PORTS))
    if unknown := [name for name in names if name not in PORTS]:
        typer.echo(output.say("no such function: ", "その機能はありません: ") + ", ".join(unknown), err=True)
        typer.echo(output.say("known: ", "ある機能: ") + ", ".join(PORTS), err=True)
        raise typer.Exit(2)
    console = output.console()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with output.reported():
        try:
            with Supervisor(names, ports="free" if free_ports else "fixed", log_dir=log_dir) as running:
                readers = [
                    threading.Thread(target=_relay, args=(name, lines, _COLOURS[n % 4], console), daemon=True)
                    for n, (name, lines) in enumerate(running.outputs.items())
                ]
                for reader in readers:
                    reader.start()
                running.wait_until_serving(on_change=_teller(console, running.addresses, stopping))
                console.print(
                    output.say("[bold]all serving; Ctrl-C stops them[/]", "[bold]すべて稼働中。Ctrl-C で停止[/]")
                )
                while not stopping.wait(0.5):
                    running.check()
                console.print(output.say("stopping", "停止しています"))
            console.print(output.say("stopped", "停止しました"))
        except KeyboardInterrupt:
            console.print(output.say("stopped", "停止しました"))
        except (Died, TimeoutError) as error:
            typer.echo(f"{output.say('error', 'エラー')}: {error}", err=True)
            raise typer.Exit(1) from error


def _teller(
    console: Console, addresses: Mapping[str, str], stopping: threading.Event
) -> Callable[[Mapping[str, str]], None]:
    told: dict[str, str] = {}

    def tell(states: Mapping[str, str]) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        for name, state in states.items():
            if told.get(name) != state:
                told[name] = state
                console.print(f"[bold]{name}[/] {addresses.get(name, '')} {state}")

    return tell


def _relay(name: str, lines: IO[bytes], colour: str, console: Console) -> None:
    """Show what a service logs, a line an event."""
    import json

    from rich.text import Text

    for line in lines:
        text = line.decode("utf-8", "replace").rstrip()
        try:
            event = json.loads(text)
            rest = {k: v for k, v in event.items() if k not in ("event", "level", "timestamp", "function") and v != ""}
            exception = rest.pop("exception", "")
            text = " ".join([event["event"], *(f"{key}={value}" for key, value in rest.items())])
            text = f"{event['timestamp'][11:19]} {text}" + (f"\n{exception}" if exception else "")
        except (ValueError, KeyError, TypeError):
            pass  # not one of our events: shown as it is
        console.print(Text(f"{name:14}", style=colour) + Text(text))
