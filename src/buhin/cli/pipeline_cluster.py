"""`buhin pipeline submit|status|logs|delete`: pipelines over many files, as workers on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from buhin.cli import output

if TYPE_CHECKING:
    from rich.progress import Progress

    from buhin.cluster.job_states import Status
    from buhin.cluster.jobs import Jobs
    from buhin.cluster.worker_pods import WorkerDefaults

OnCluster = Annotated[bool, typer.Option("--cluster", help="On the cluster of the kubeconfig.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Default: that of the kubeconfig's context.")]
Context = Annotated[str, typer.Option("--context", help="Context of the kubeconfig; default: the current one.")]
Release = Annotated[str, typer.Option("--release", help="Helm release of the services and workers.")]
Claim = Annotated[str, typer.Option(help="Claim with the input.  [default: that of the release]")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_COLOURS = {"finished": "green", "failed": "red", "running": "cyan"}


def submit(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A YAML file, or the name of a ready-made pipeline.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files or folders, relative to the claim.")],
    on_cluster: OnCluster = False,
    namespace: Namespace = "",
    context: Context = "",
    release: Release = "buhin",
    claim: Claim = "",
    out: Annotated[str, typer.Option(help="Folder of the outputs, in the claim.  [default: out/<run>]")] = "",
    workers: Annotated[int, typer.Option(min=1, max=1_000, help="How many workers share the run.")] = 1,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Calls that a worker makes at the same time.")] = 2,
    settings: Annotated[
        list[str] | None, typer.Option("--set", "-p", metavar="NAME=VALUE", help="Set a parameter.")
    ] = None,
    run: Annotated[str, typer.Option("--run", help="Name of the run; that of one that stopped goes on with it.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submit a pipeline over files of a claim. Exit status 1 where it failed, with --wait."""
    import secrets

    from pydantic import ValidationError

    from buhin.cli.pipeline import _load, _parameters
    from buhin.pipelines.inputs import parameters
    from buhin.pipelines.submission import MAX_NAME, Submission

    _only(on_cluster)
    loaded = _load(spec, as_json=as_json)
    given = _parameters(settings or [])
    name = run or f"{loaded.name.replace('_', '-').strip('-')[: MAX_NAME - 7]}-{secrets.token_hex(3)}"
    try:
        submission = Submission(
            run=name, inputs=inputs, out=out or f"out/{name}", parameters=given, concurrency=concurrency
        )
    except ValidationError as error:
        problems = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
        raise typer.BadParameter("; ".join(problems)) from error
    with output.reported():
        parameters(loaded.parameters, given)
        jobs = _jobs(context, namespace)
        jobs.submit(submission, loaded, _defaults(jobs, release, claim), workers)
        status = _waited(jobs, name) if wait else jobs.status(name)
    if as_json:
        output.print_json(status.as_dict())
    elif wait:
        _print_one(status)
    else:
        where = f"-n {status.namespace}"
        text = output.say(f"submitted {name}. How it is: ", f"{name} を登録しました。状況の確認: ")
        typer.echo(f"{text}buhin pipeline status {name} --cluster {where}")
    if status.state == "failed":
        raise typer.Exit(1)


def status(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="Name of the run; none: all of them.")] = "",
    on_cluster: OnCluster = False,
    namespace: Namespace = "",
    context: Context = "",
    as_json: AsJson = False,
) -> None:
    """Say how submitted runs are. Exit status 1 where the run, or one of all, failed."""
    _only(on_cluster)
    with output.reported():
        jobs = _jobs(context, namespace)
        found = [jobs.status(run)] if run else jobs.all()
    if as_json:
        plain = [each.as_dict() for each in found]
        output.print_json(plain[0] if run else plain)
    elif run:
        _print_one(found[0])
    elif found:
        _print_all(found)
    else:
        output.note(output.say("no runs", "実行はありません"))
    if any(each.state == "failed" for each in found):
        raise typer.Exit(1)


def logs(
    run: Run,
    on_cluster: OnCluster = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    namespace: Namespace = "",
    context: Context = "",
    as_json: Annotated[bool, typer.Option("--json", help="The lines as they are: JSON, with the worker.")] = False,
) -> None:
    """Show what the workers of a run wrote."""
    _only(on_cluster)
    with output.reported():
        for line in _jobs(context, namespace).logs(run, follow=follow):
            typer.echo(line.text if as_json else f"{line.worker} | {line.text}")


def delete(
    run: Run,
    on_cluster: OnCluster = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep what is done, so that it can be submitted again.")] = False,
    namespace: Namespace = "",
    context: Context = "",
    release: Release = "buhin",
    claim: Claim = "",
    as_json: AsJson = False,
) -> None:
    """Stop a run and remove its records, in the cluster, on the claim and in the database. Its outputs stay."""
    from pydantic import ValidationError

    from buhin.pipelines.submission import RUN_NAME

    _only(on_cluster)
    try:
        RUN_NAME.validate_python(run)
    except ValidationError as error:
        raise typer.BadParameter(f"{run!r} is no name of a run") from error
    with output.reported():
        jobs = _jobs(context, namespace)
        with output.working(output.say(f"removing {run}", f"{run} を削除中")):
            was_there = jobs.delete(run, lambda: _defaults(jobs, release, claim), keep=keep)
    if as_json:
        output.print_json(
            {"run": run, "job": "deleted" if was_there else "absent", "records": "kept" if keep else "deleted"}
        )
        return
    if keep:
        said = output.say(f"{run} is stopped; what is done is kept", f"{run} を停止しました。完了分は保存されています")
    else:
        said = output.say(f"{run} is removed; its outputs stay", f"{run} を削除しました。出力は残っています")
    typer.echo(said)


def _only(on_cluster: bool) -> None:
    """Refuse what is not meant for a cluster."""
    if not on_cluster:
        en = "submitted runs are on a cluster: add --cluster. On this machine: buhin pipeline run, list"
        ja = "登録した実行はクラスタ上にあります。--cluster を付けてください。手元では buhin pipeline run、list"
        raise typer.BadParameter(output.say(en, ja))


def _jobs(context: str, namespace: str) -> Jobs:
    from buhin.cluster.api import Cluster
    from buhin.cluster.jobs import Jobs
    from buhin.config import ClientSettings

    return Jobs(Cluster(context, namespace or ClientSettings().namespace))


def _defaults(jobs: Jobs, release: str, claim: str) -> WorkerDefaults:
    found = jobs.defaults(release)
    return found.model_copy(update={"claim": claim}) if claim else found


def _waited(jobs: Jobs, run: str) -> Status:
    """Wait with a bar for each step. Ctrl-C ends the waiting, not the run."""
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"), TextColumn("{task.description}"), BarColumn(bar_width=24),
        MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}", style="dim", markup=False),
    )  # fmt: skip
    where = output.console(stderr=True)
    with Bars(*columns, console=where, disable=not where.is_terminal) as bars:
        tasks: dict[str, Any] = {run: bars.add_task(run, total=None, note="")}

        def show(status: Status) -> None:
            _show(bars, tasks, status)

        return jobs.wait(run, show)


def _show(bars: Progress, tasks: dict[str, Any], status: Status) -> None:
    bars.update(tasks[status.run], note=f"{status.state} {status.working}/{status.workers} {status.problem[:80]}")
    for step, counts in status.steps.items():
        if step not in tasks:
            tasks[step] = bars.add_task(step, note="")
        done, failed = counts["done"], counts["failed"]
        note = output.say(f"{failed} failed", f"{failed} 件失敗") if failed else ""
        bars.update(tasks[step], completed=done + failed, total=counts["total"], note=note)


def _progress(status: Status) -> str:
    lines = []
    for step, counts in status.steps.items():
        failed = (
            output.say(f", {counts['failed']} failed", f"（{counts['failed']} 件失敗）") if counts["failed"] else ""
        )
        lines.append(f"{step} {counts['done'] + counts['failed']}/{counts['total']}{failed}")
    return "\n".join(lines)


def _print_all(found: list[Status]) -> None:
    from rich.table import Table

    table = Table()
    for en, ja in (
        ("run", "実行"), ("pipeline", "パイプライン"), ("began", "開始"), ("state", "状態"),
        ("workers", "ワーカー"), ("progress", "進み"),
    ):  # fmt: skip
        table.add_column(output.say(en, ja), overflow="fold")
    for each in found:
        state = f"[{_COLOURS.get(each.state, 'yellow')}]{each.state}[/]"
        table.add_row(each.run, each.pipeline, each.began, state, f"{each.working}/{each.workers}", _progress(each))
    output.console().print(table)


def _print_one(status: Status) -> None:
    where = output.console()
    where.print(f"{status.run} ({status.pipeline}): [{_COLOURS.get(status.state, 'yellow')}]{status.state}[/]")
    workers = output.say(f"{status.working} of {status.workers} work", f"{status.workers} 中 {status.working} が稼働")
    if status.lost:
        workers += output.say(f", {status.lost} given up", f"、{status.lost} は停止")
    where.print(f"  {output.say('workers', 'ワーカー')}: {workers}", markup=False)
    for line in _progress(status).splitlines():
        where.print(f"  {line}", markup=False)
    for each in status.failures:
        failed = output.say("failed", "失敗")
        where.print(f"  [red]{failed}[/] {each['step']} {each['item']}: {each['reason']}:", end=" ")
        where.print(each["message"], markup=False, soft_wrap=True)
    if status.problem:
        where.print(f"  {status.problem}", markup=False, soft_wrap=True)
    if status.out:
        where.print(f"  {output.say('outputs in the claim', 'クレーム内の出力')}: {status.out}", markup=False)
