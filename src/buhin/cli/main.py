"""The command line `buhin`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from buhin.cli import bundle, call, cluster, functions, inspect, models, output, pipeline, translate, up

_EXTRAS = {
    "PIL": "pipelines", "dbos": "pipelines", "jinja2": "pipelines",
    "kubernetes": "cluster", "prometheus_client": "cluster",
    "budoux": "documents", "lxml": "documents", "markdown_it": "documents",
    "sounddevice": "microphone", "av": "microphone", "opentelemetry": "serving",
    "cryptography": "bundle",
}  # fmt: skip
"""What some commands import and the light client does not bring, and the extra that does."""

app = typer.Typer(
    name="buhin",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="buhin: small AI functions as gRPC services. / 小さな AI 機能の部品集。",
)


def _version(wanted: bool) -> None:
    if wanted:
        from buhin import __version__

        typer.echo(f"buhin {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of the whole program."""


app.command()(up.up)
app.command()(functions.services)
app.command()(functions.transcribe)
app.command()(translate.translate)
app.command()(functions.summarize)
app.command()(inspect.inspect)
app.command()(inspect.compare)
app.command()(call.call)
app.add_typer(pipeline.app, name="pipeline")
app.add_typer(models.app, name="models")
app.add_typer(bundle.app, name="bundle")
app.add_typer(cluster.app, name="cluster")


def main() -> None:
    """The console script."""
    try:
        if endpoint := os.environ.get("BUHIN_OTLP_ENDPOINT"):
            from buhin import telemetry

            telemetry.configure("buhin-cli", endpoint)
        app()
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        need = output.say(f"this needs {error.name}", f"{error.name} が必要です")
        raise SystemExit(f"{need}: pip install 'buhin[{extra}]'") from error


if __name__ == "__main__":
    main()
