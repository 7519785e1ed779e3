"""What `buhin bundle` shows: progress, contents, results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from buhin.cli.output import console, say

if TYPE_CHECKING:
    from buhin.bundle.archive import Archive, Progress
    from buhin.bundle.create import Created
    from buhin.bundle.manifest import BundleManifest
    from buhin.bundle.place import Placed

State = Literal["unchecked", "signed", "verified"]
Stage = Literal["write", "verify", "models", "files", "push"]
_KINDS = {
    "chart": ("chart", "チャート"), "image": ("images", "イメージ"), "model": ("models", "モデル"),
    "wheel": ("wheels", "wheel"), "licence": ("licences", "ライセンス文"), "sbom": ("bills of materials", "部品表"),
}  # fmt: skip
_STAGES: dict[Stage, tuple[str, str]] = {
    "write": ("writing", "書き込み"), "verify": ("verifying", "検証"), "models": ("models", "モデル"),
    "files": ("files", "ファイル"), "push": ("pushing images", "イメージ送信"),
}  # fmt: skip
_STATES: dict[State, tuple[str, str]] = {
    "unchecked": ("not checked; give --key", "未確認（--key を指定してください）"),
    "signed": ("by this key; --verify checks every byte too", "この鍵の署名です（全バイトの検証は --verify）"),
    "verified": ("by this key, and every byte is right", "この鍵の署名であり、全バイトが正しいことを検証しました"),
}


@contextmanager
def bars() -> Iterator[Callable[[Stage], Progress]]:
    """A bar for each stage, in bytes, where a person is looking."""
    from rich import progress

    where = console(stderr=True)
    with progress.Progress(
        progress.TextColumn("{task.description}"), progress.BarColumn(), progress.DownloadColumn(),
        progress.TransferSpeedColumn(), progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[at]}", markup=False), console=where, disable=not where.is_terminal,
    ) as shown:  # fmt: skip

        def stage(name: Stage) -> Progress:
            task = shown.add_task(say(*_STAGES[name]), total=None, at="")

            def tell(done: int, total: int, at: str) -> None:
                shown.update(task, completed=done, total=total, at=at[-40:])

            return tell

        yield stage


def created(made: Created) -> None:
    """What went into a bundle."""
    counts = ", ".join(f"{count} {say(*_KINDS[kind])}" for kind, count in made.counts.items())
    typer.echo(f"{made.path}: {_megabytes(made.path.stat().st_size)}; {counts}")
    _identity(made.manifest, made.digest)


def contents(archive: Archive, state: State) -> None:
    """A table of what a bundle holds, and whether it can be trusted."""
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for column in (("kind", "種別"), ("what", "内容"), ("version", "版")):
        table.add_column(say(*column), overflow="fold")
    table.add_column(say("size", "大きさ"), justify="right", no_wrap=True)
    table.add_column(say("licence", "ライセンス"), overflow="fold")
    for (kind, name, version), (size, licence) in _rows(archive.manifest).items():
        table.add_row(say(*_KINDS[kind]), Text(name), Text(version), _megabytes(size), Text(licence))
    console().print(table)
    manifest = archive.manifest
    typer.echo(f"buhin {manifest.version}, {manifest.created:%Y-%m-%d %H:%M:%S %Z}, {_megabytes(archive.length)}")
    _identity(manifest, archive.digest)
    typer.echo(f"{say('signature', '署名')}: {say(*_STATES[state])}")


def placed(done: Placed, folder: Path, prefix: str | None) -> None:
    """Where everything lies, and what to do next."""
    written, kept = len(done.written), len(done.kept)
    typer.echo(
        say(f"{written} written, {kept} were there and right", f"{written} 件を書き込み、{kept} 件は配置済みでした")
    )
    for model, path in done.models.items():
        typer.echo(f"{model}: {path}")
    for reference, digest in done.pushed.items():
        typer.echo(f"{reference}@{digest}")
    typer.echo(say("Next:", "次の手順:"))
    if (folder / "wheels").is_dir():
        typer.echo(f"  pip install --no-index --find-links {folder / 'wheels'} 'buhin[bundle]'")
    if (folder / "images").is_dir() and not prefix:
        registry = say("YOUR_REGISTRY/PREFIX", "レジストリ/接頭辞")
        typer.echo(f"  buhin bundle import … --registry {registry}")
    for chart in sorted((folder / "chart").glob("*.tgz")):
        registry = prefix or say("YOUR_REGISTRY/PREFIX", "レジストリ/接頭辞")
        values = folder / "chart" / "values" / "airgapped.yaml"
        typer.echo(f"  helm install buhin {chart} --values {values} --set image.registry={registry}")


def _rows(manifest: BundleManifest) -> dict[tuple[str, str, str], tuple[int, str]]:
    """Sizes and licences of what belongs together: a model, an image, blobs that images share, all licence texts."""
    found: dict[tuple[str, str, str], tuple[int, str]] = {}
    for member in manifest.members:
        name, version, licence = member.name, member.version, member.licence
        if member.kind == "image" and ", " in name:
            name = say("shared by several", "共有")
        elif member.kind == "licence":
            name = version = licence = ""
        key = (member.kind, name, version)
        size, said = found.get(key, (0, ""))
        found[key] = size + member.size, said or licence
    return found


def _identity(manifest: BundleManifest, digest: str) -> None:
    for kind in manifest.without:
        typer.echo(f"{say('left out', '除外')}: {say(*_KINDS[kind])}")
    typer.echo(f"{say('manifest', 'マニフェスト')}: sha256 {digest}")
    typer.echo(f"{say('key', '署名鍵')}: {manifest.key}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
