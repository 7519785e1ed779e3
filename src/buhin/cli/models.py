"""`buhin models`: list, pull, verify, locate and describe models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from buhin.cli import output

if TYPE_CHECKING:
    from buhin.models.store import ModelStore

app = typer.Typer(no_args_is_help=True, help="Models: list, pull, verify, path, entry.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Models of the manifest; all when none.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _store() -> ModelStore:
    from buhin.config import Settings
    from buhin.models.store import ModelStore

    return ModelStore.from_settings(Settings())


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the models of the manifest and whether they are in the store."""
    with output.reported():
        store = _store()
        entries = [store.entry(model_id) for model_id in store.ids]
    if as_json:
        output.print_json(
            [
                {
                    "id": entry.id, "task": entry.task, "licence": entry.licence, "size_bytes": entry.size,
                    "digest": entry.digest, "present": store.present(entry.id), "origin": entry.origin,
                }
                for entry in entries
            ]
        )  # fmt: skip
        return
    from rich.table import Table

    table = Table()
    table.add_column(output.say("model", "モデル"), no_wrap=True)
    for column in (("for", "用途"), ("size", "大きさ"), ("licence", "ライセンス"), ("here", "有無")):
        table.add_column(output.say(*column))
    for entry in entries:
        here = output.say("yes", "あり") if store.present(entry.id) else output.say("no", "なし")
        table.add_row(entry.id, entry.task, f"{entry.size / 1e6:,.0f} MB", entry.licence, here)
    output.console().print(table)


@app.command()
def pull(
    ids: Ids = None,
    directory: Annotated[
        Path | None, typer.Option("--from", help="A folder with the files; tried before every other source.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Fetch again also what is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put models into the store, each file checked by SHA-256. Goes on where an earlier try stopped."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    with output.reported():
        store = _store()
        entries = [store.entry(model_id) for model_id in ids or store.ids]
        where = output.console(stderr=True)
        with Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
            TimeRemainingColumn(), console=where,
        ) as progress:  # fmt: skip
            models = []
            for entry in entries:
                task = progress.add_task(entry.id, total=entry.size)
                models.append(
                    store.pull(
                        entry.id,
                        directory=directory,
                        force=force,
                        progress=lambda done, total, name, task=task: progress.update(task, completed=done),  # type: ignore[misc]
                    )
                )
                progress.update(task, completed=entry.size)
    if as_json:
        output.print_json([{"id": m.id, "path": str(m.path), "digest": m.digest} for m in models])


@app.command()
def verify(ids: Ids = None, as_json: AsJson = False) -> None:
    """Check every file of the models in the store by SHA-256. Exit status 1 when any is missing or wrong."""
    from buhin.errors import ModelError

    with output.reported():
        store = _store()
        results: dict[str, ModelError | None] = {}
        for model_id in ids or store.ids:
            with output.working(model_id):
                try:
                    store.open(model_id)
                except ModelError as error:
                    results[model_id] = error
                else:
                    results[model_id] = None
    if as_json:
        output.print_json(
            [
                {
                    "id": model_id,
                    "ok": error is None,
                    "reason": error.reason if error else "",
                    "detail": str(error or ""),
                }
                for model_id, error in results.items()
            ]
        )
    else:
        right = output.say("every file is right", "すべてのファイルが正しく照合されました")
        for model_id, found in results.items():
            typer.echo(f"{model_id}: {output.say(found.message, found.message_ja) if found else right}")
    if any(results.values()):
        raise typer.Exit(1)


@app.command()
def path(model: Annotated[str, typer.Argument(help="A model of the manifest.")], as_json: AsJson = False) -> None:
    """Print the folder of a model in the store, verified."""
    with output.reported():
        found = _store().open(model)
    if as_json:
        output.print_json({"id": found.id, "path": str(found.path), "main": str(found.main), "digest": found.digest})
    else:
        typer.echo(found.path)


@app.command()
def entry(
    model: Annotated[str, typer.Argument(help="What to call it.")],
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder with its files, no others.")],
    main: Annotated[str, typer.Option(help="The file by whose digest it is known.")],
    licence: Annotated[str, typer.Option(help="Its licence, as SPDX names it.")],
    origin: Annotated[str, typer.Option(help="Where it comes from.")],
    task: Annotated[str, typer.Option(help="What it does.")] = "text generation",
) -> None:
    """Print an entry for the manifest, with the size and SHA-256 of every file of a folder."""
    import yaml

    from buhin.errors import InvalidValueError
    from buhin.models.manifest import ModelEntry

    with output.reported():
        if not (folder / main).is_file():
            names = ", ".join(sorted(path.name for path in folder.iterdir()))
            raise InvalidValueError(field="--main", value=main, accepted=names)
        described = ModelEntry.of_folder(folder, main, id=model, licence=licence, origin=origin, task=task)
    data = described.model_dump(exclude_defaults=True)
    typer.echo(yaml.safe_dump([data], sort_keys=False, allow_unicode=True, width=1000), nl=False)
