"""Measures the services on real data and writes what was found: ``make evaluate [DATA=FOLDER]``.

Starts the services, measures each with its ``services/<function>/evaluate.py``, writes ``quality.yaml`` beside its
card, and docs/quality.md from all of them. Services that are not named keep their figures.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from buhin.catalogue.card import Quality, ServiceCard
from buhin.cli.supervisor import Supervisor
from buhin.config import PORTS, ClientSettings

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "quality.md"
HEAD = """\
# Quality

What was measured of each service, with the models that come with it. `make evaluate` wrote this page and the figures on
the cards (`buhin services --json`); nothing here is typed by hand. A figure holds for the model with the digest below,
and only for data like that it was measured on: measure on your own before you rely on it.
"""

console = Console(stderr=True)


def page(cards: list[ServiceCard]) -> str:
    """The figures of all services as Markdown."""
    lines = [HEAD]
    models: dict[str, str] = {}
    for card in cards:
        lines += [f"## {card.function}", "", "| measure | value | measured on | model |", "|---|---:|---|---|"]
        for figure in card.quality:
            lines.append(f"| {figure.measure} | {figure.value:g} | {figure.dataset} | {figure.model_id or 'none'} |")
            if figure.model_id:
                models[figure.model_id] = figure.model_digest
        lines.append("")
    lines += ["## Models", "", "| model | digest |", "|---|---|"]
    lines += [f"| {model_id} | `{digest}` |" for model_id, digest in sorted(models.items())]
    return "\n".join(lines) + "\n"


def cards() -> list[ServiceCard]:
    """The cards of all services, with their figures."""
    return [ServiceCard.load(ROOT / "services" / function / "card.yaml") for function in PORTS]


def measured(function: str, data: Path, settings: ClientSettings) -> Iterator[Quality]:
    """The figures of a service, shown as they come."""
    module = importlib.import_module(f"services.{function}.evaluate")
    for figure in module.figures(data, settings):
        console.print(f"{function}: {figure.measure} = {figure.value:g}  [dim]{figure.dataset}")
        yield figure


def main() -> None:
    """Measure and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "functions", nargs="*", metavar="FUNCTION", help=f"of {', '.join(PORTS)}; all when none is given"
    )
    options.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the data")
    given = options.parse_args()
    functions = given.functions or list(PORTS)
    if unknown := set(functions) - set(PORTS):
        options.error(f"no such service: {', '.join(sorted(unknown))}")
    if not given.data.is_dir():
        sys.exit(f"there is no data in {given.data}; give the folder with --data, or: make evaluate DATA=FOLDER")
    with Supervisor(functions, ports="free", log_dir=ROOT / "out" / "logs") as running:
        with console.status("starting the services"):
            running.wait_until_serving()
        addresses: dict[str, Any] = {f"{function}_address": address for function, address in running.addresses.items()}
        settings = ClientSettings(timeout_s=3_600, **addresses)
        for function in functions:
            found = [figure.model_dump() for figure in measured(function, given.data, settings)]
            text = yaml.safe_dump(found, allow_unicode=True, sort_keys=False, width=120)
            target = ROOT / "services" / function / "quality.yaml"
            target.write_text("# Written by `make evaluate`.\n" + text, encoding="utf-8")
    PAGE.write_text(page(cards()), encoding="utf-8")
    console.print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
