"""`buhin pipeline`: run, check and list pipelines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buhin.cli import output, pipeline_cluster, pipeline_work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buhin.pipelines.runner import Progress, Report
    from buhin.pipelines.spec import Spec

app = typer.Typer(no_args_is_help=True, help="Pipelines: run, check, list.")

SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="A YAML file, or the name of a ready-made pipeline.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def run(
    spec: SpecArgument,
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Files, or folders of files.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the results.  [default: out/<pipeline>]")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew, also where a run can be resumed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a pipeline. Run the same command again after a stop or a crash: finished steps are not repeated.

    A pipeline on one file runs once for each INPUT; with several, each gets a folder of its own below --out.
    """
    loaded = _load(spec)
    folder = out or Path("out") / loaded.name
    parameters = _parameters(settings or [])
    reports = []
    for files, where in _batches(loaded, inputs, folder):
        report = _run(loaded, files, where, parameters, fresh=fresh)
        reports.append(_plain(report))
        if not as_json:
            _print(report, where)
    if as_json:
        output.print_json(reports if loaded.input.kind == "file" and len(inputs) > 1 else reports[0])
    if any(step["done"] == 0 and step["failed"] for report in reports for step in report["steps"]):
        raise typer.Exit(1)


@app.command()
def check(spec: SpecArgument, as_json: AsJson = False) -> None:
    """Check a pipeline against the services' protos, without running anything. Exit status 1 where it is wrong."""
    loaded = _load(spec, as_json=as_json)
    if as_json:
        output.print_json({"pipeline": loaded.name, "problems": []})
        return
    steps = ", ".join(loaded.steps)
    files = ", ".join(each.file for each in loaded.outputs)
    typer.echo(output.say(f"{loaded.name} is right: {steps} → {files}", f"{loaded.name} は正しい: {steps} → {files}"))


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the ready-made pipelines, and the runs on this machine with whether they can be resumed."""
    from buhin.config import ClientSettings
    from buhin.pipelines.checker import load
    from buhin.pipelines.runs import runs

    with output.reported():
        ready = [load(path) for path in _ready_made()]
        found = runs(ClientSettings().state_dir)
    if as_json:
        output.print_json(
            {
                "pipelines": [
                    {"name": s.name, "file": str(s.path), "title": {"en": s.title.en, "ja": s.title.ja}} for s in ready
                ],
                "runs": [{**vars(one.record), "folder": str(one.folder)} for one in found],
            }
        )
        return
    from rich.table import Table

    table = Table(
        *(output.say(*name) for name in (("pipeline", "パイプライン"), ("what", "内容"), ("file", "ファイル")))
    )
    for one in ready:
        table.add_row(one.name, output.say(one.title.en, one.title.ja), os.path.relpath(one.path))
    output.console().print(table)
    if not found:
        return
    table = Table(*(output.say(*name) for name in (("run", "実行"), ("began", "開始"), ("state", "状態"))))
    for past in found:
        finished = past.record.finished
        state = output.say("finished", "完了") if finished else output.say("can be resumed", "再開できます")
        failed = past.record.failed
        if failed:
            state += output.say(f", {failed} failed", f"（{failed} 件失敗）")
        table.add_row(past.id, past.record.began, state)
    output.console().print(table)


for command in (pipeline_cluster.submit, pipeline_cluster.status, pipeline_cluster.logs, pipeline_cluster.delete):
    app.command()(command)
app.command(hidden=True)(pipeline_work.work)
app.command(hidden=True)(pipeline_work.forget)


def _ready_made() -> list[Path]:
    from buhin import paths

    return sorted(paths.data("pipelines").glob("*.yaml"))


def _load(name: str, *, as_json: bool = False) -> Spec:
    """The pipeline of a file or of a ready-made name. Prints every problem and exits where there is one."""
    from buhin.pipelines.checker import load

    ready = {path.stem: path for path in _ready_made()}
    path = Path(name) if Path(name).exists() or name not in ready else ready[name]
    try:
        return load(path)
    except ExceptionGroup as group:
        problems: list[Any] = list(group.exceptions)
        if as_json:
            output.print_json(
                {
                    "problems": [
                        {"line": int(one.metadata["line"]), "problem": one.metadata["problem"]} for one in problems
                    ]
                }
            )
        for problem in problems:
            typer.echo(problem.message, err=True)
        count = len(problems)
        typer.echo(
            output.say(f"{count} to correct; nothing was run", f"{count} 件の誤り。何も実行していません"), err=True
        )
        raise typer.Exit(1) from None


def _parameters(settings: list[str]) -> dict[str, str]:
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise typer.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint="--set")
        found[name] = value
    return found


def _batches(spec: Spec, inputs: list[Path], out: Path) -> Iterator[tuple[list[Path], Path]]:
    """The files of each run and the folder of its results."""
    from buhin.pipelines.inputs import folders

    if spec.input.kind == "files":
        yield inputs, out
    else:
        yield from (([path], folder) for path, folder in zip(inputs, folders(inputs, out), strict=True))


def _run(spec: Spec, files: list[Path], out: Path, parameters: dict[str, str], *, fresh: bool) -> Report:
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    from buhin.pipelines import runner

    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    with output.reported():
        try:
            with Bars(*columns, console=output.console(stderr=True)) as bars:
                tasks = {step: bars.add_task(step, start=False, total=None, note="") for step in spec.steps}

                def show(progress: Progress) -> None:
                    task = tasks[progress.step]
                    if not bars.tasks[task].started:
                        bars.start_task(task)
                    bars.update(task, completed=progress.done, total=progress.total, note=_note(progress))

                return runner.run(spec, files, out=out, parameters=parameters, fresh=fresh, on_progress=show)
        except KeyboardInterrupt:
            again = ("stopped; run the same command again to resume", "停止しました。同じコマンドで再開できます")
            typer.echo(output.say(*again), err=True)
            raise


def _note(progress: Progress) -> str:
    notes = []
    if progress.waiting:
        why = output.say(progress.waiting.message, progress.waiting.message_ja)
        notes.append(output.say(f"waiting: {why[:80]}", f"待機中: {why[:60]}"))
    if progress.reused:
        notes.append(output.say(f"{progress.reused} done before", f"{progress.reused} 件は完了済み"))
    if progress.failed:
        notes.append(output.say(f"{progress.failed} failed", f"{progress.failed} 件失敗"))
    return ", ".join(notes)


def _plain(report: Report) -> dict[str, Any]:
    return {
        "run": report.run.id,
        "outputs": [str(path) for path in report.outputs],
        "reused": report.reused,
        "steps": [
            {
                "id": result.step,
                "done": len(result.items) - len(result.failures()),
                "failed": [
                    {"item": label, "reason": failure.reason, "message": failure.message}
                    for label, failure in result.failures()
                ],
            }
            for result in report.results.values()
        ],
    }


def _print(report: Report, out: Path) -> None:
    where = output.console()
    for result in report.results.values():
        for label, failure in result.failures():
            text = output.say(failure.message, failure.message_ja)
            where.print(f"[red]{output.say('failed', '失敗')}[/] {result.step} {label}: {failure.reason}:", end=" ")
            where.print(text, markup=False)
    where.print(
        output.say(f"run {report.run.id}, results in {out}", f"実行 {report.run.id}、結果: {out}"), markup=False
    )
    for path in report.outputs:
        size = f"{path.stat().st_size:,} B" if path.is_file() else output.say("folder", "フォルダー")
        where.print(f"  {path}  ({size})", markup=False, soft_wrap=True)
