"""`buhin cluster`: what runs on Kubernetes, why something does not, and calls to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from buhin.cli import output
from buhin.cli.call import Files, Function, Method, Request, Timeout, named, print_answers, written

if TYPE_CHECKING:
    from buhin.cluster.api import Cluster
    from buhin.cluster.problems import Finding
    from buhin.cluster.services import Pod, Service
    from buhin.common.v1.common_pb2 import ServiceInfo

app = typer.Typer(no_args_is_help=True, help="Services on Kubernetes: list, show, doctor, call.")

Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Default: that of the kubeconfig's context.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Look in all namespaces.")]
Context = Annotated[str, typer.Option("--context", help="Context of the kubeconfig; default: the current one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Release = Annotated[str, typer.Option("--release", help="Helm release, where a namespace holds several.")]
_COLOURS = {"SERVING": "green", "DEGRADED": "yellow", "NO_PODS": "dim"}


def _cluster(context: str, namespace: str) -> Cluster:
    from buhin.cluster.api import Cluster
    from buhin.config import ClientSettings

    return Cluster(context, namespace or ClientSettings().namespace)


@app.command("list")
def list_(
    namespace: Namespace = "", everywhere: Everywhere = False, context: Context = "", as_json: AsJson = False
) -> None:
    """List the services: health, pods, models in memory, requests that wait. Exit status 1 when one does not serve."""
    with output.reported():
        from buhin.cluster.services import asked, find

        cluster = _cluster(context, namespace)
        with output.working(output.say("asking the pods", "ポッドに問い合わせ中")):
            found = asked(cluster, find(cluster, "" if everywhere else cluster.namespace))
    if as_json:
        output.print_json([each.as_dict() for each in found])
    elif found:
        _print_list(found)
    else:
        where = output.say("any namespace", "どの名前空間") if everywhere else cluster.namespace
        output.note(output.say(f"no service in {where}", f"{where} にサービスがありません"))
    if not found or any(each.health in ("NOT_SERVING", "DEGRADED") for each in found):
        raise typer.Exit(1)


def _print_list(found: list[Service]) -> None:
    from rich.table import Table

    table = Table()
    columns = (
        ("namespace", "名前空間"), ("service", "サービス"), ("health", "状態"), ("pods", "ポッド"),
        ("waiting", "待ち"), ("TLS", "TLS"), ("models", "モデル"),
    )  # fmt: skip
    for en, ja in columns:
        table.add_column(output.say(en, ja), overflow="fold")
    for each in found:
        waiting = "-" if each.waiting is None else str(each.waiting)
        models = "\n".join(each.models) or "-"
        health = f"[{_COLOURS.get(each.health, 'red')}]{each.health}[/]"
        table.add_row(each.namespace, each.name, health, f"{each.ready}/{len(each.pods)}", waiting, each.tls, models)
    output.console().print(table)
    for each in found:
        for pod in each.pods:
            if pod.problem:
                output.note(f"{pod.name}: {pod.problem}")


@app.command()
def show(
    function: Function,
    namespace: Namespace = "",
    release: Release = "",
    context: Context = "",
    as_json: AsJson = False,
) -> None:
    """Show one service: its pods, endpoints and the card it tells of itself. Exit status 1 when it does not serve."""
    with output.reported():
        from buhin.cluster.services import asked, one

        cluster = _cluster(context, namespace)
        with output.working(output.say("asking the pods", "ポッドに問い合わせ中")):
            (service,) = asked(cluster, [one(cluster, cluster.namespace, function.replace("-", "_"), release)])
            info, problem = _card(cluster, service)
    if as_json:
        card = {"info": output.message_dict(info) if info is not None else None, "info_problem": problem}
        output.print_json(service.as_dict() | card)
    else:
        _print_service(service, info, problem)
    if service.health in ("NOT_SERVING", "DEGRADED"):
        raise typer.Exit(1)


def _card(cluster: Cluster, service: Service) -> tuple[ServiceInfo | None, str]:
    """What a ready pod tells of itself, or why it does not."""
    from buhin.client.catalogue import service_info
    from buhin.cluster import names
    from buhin.cluster.forward import Forward
    from buhin.cluster.services import forwarded, ready_pod, settings_for
    from buhin.config import ClientSettings
    from buhin.errors import BuhinError

    try:
        settings = settings_for(service, ClientSettings())
        with Forward(cluster, service.namespace, ready_pod(service).name, names.GRPC_PORT) as forward:
            return service_info(service.function, target=forwarded(service, forward), settings=settings), ""
    except BuhinError as error:
        return None, output.say(error.message, error.message_ja)


def _print_service(service: Service, info: ServiceInfo | None, problem: str) -> None:
    from rich.table import Table

    console = output.console()
    colour = _COLOURS.get(service.health, "red")
    console.print(f"[bold]{service.name}[/]  {service.namespace}  [{colour}]{service.health}[/]  {service.version}")
    console.print(f"  {output.say('address', 'アドレス')}: {service.address}  TLS: {service.tls}", markup=False)
    endpoints = ", ".join(service.endpoints) or output.say("none", "なし")
    console.print(f"  {output.say('endpoints', 'エンドポイント')}: {endpoints}", markup=False)
    if info is not None:
        console.print(
            f"  {output.say(info.title.en, info.title.ja)}: {info.engine} {info.engine_version}", markup=False
        )
        for model in info.models:
            loaded = output.say("loaded", "読込済") if model.loaded else output.say("not loaded", "未読込")
            console.print(f"  {model.model.model_id} ({model.role}): {loaded}", markup=False)
    elif service.pods:
        console.print(f"  {output.say('no card', 'カードなし')}: {problem}", markup=False, style="dim")
    table = Table()
    columns = (
        ("pod", "ポッド"), ("node", "ノード"), ("ready", "準備"), ("restarts", "再起動"),
        ("waiting", "待ち"), ("at work", "処理中"), ("image", "イメージ"),
    )  # fmt: skip
    for en, ja in columns:
        table.add_column(output.say(en, ja), overflow="fold")
    for pod in service.pods:
        told = [str(pod.metrics.waiting), str(pod.metrics.in_progress)] if pod.metrics else ["-", "-"]
        table.add_row(pod.name, pod.node, _readiness(pod), str(pod.restarts), *told, pod.image)
    console.print(table)
    for pod in service.pods:
        if pod.problem:
            output.note(f"{pod.name}: {pod.problem}")


def _readiness(pod: Pod) -> str:
    if pod.ready:
        return output.say("[green]yes[/]", "[green]はい[/]")
    return output.say("[red]no[/]", "[red]いいえ[/]") + f" ({pod.phase})"


@app.command()
def doctor(
    namespace: Namespace = "",
    everywhere: Everywhere = False,
    callers: Annotated[
        str, typer.Option("--from", metavar="NAMESPACE", help="May callers of this namespace reach the services?")
    ] = "",
    context: Context = "",
    as_json: AsJson = False,
) -> None:
    """Say what is wrong and what to do. Exit status 1 when something is."""
    from buhin.cluster.names import SELECTOR

    with output.reported():
        from buhin.cluster.doctor import CHECKS, examine
        from buhin.cluster.snapshot import collect, namespaces

        cluster = _cluster(context, namespace)
        looked = namespaces(cluster) if everywhere else [cluster.namespace]
        found: dict[str, list[Finding]] = {}
        with output.progress(output.say("looking", "調べています")) as progress:
            for number, each in enumerate(looked):
                progress(number, len(looked))
                found[each] = examine(collect(cluster, each, client_namespace=callers))
    if as_json:
        output.print_json(
            {
                "checks": [check.__name__ for check in CHECKS],
                "namespaces": {each: [_told(finding) for finding in findings] for each, findings in found.items()},
            }
        )
    else:
        _print_findings(found, len(CHECKS))
    if not looked:
        output.note(
            output.say(f"nothing labelled {SELECTOR} in any namespace", f"{SELECTOR} のラベルのものがありません")
        )
    if not looked or any(found.values()):
        raise typer.Exit(1)


def _told(finding: Finding) -> dict[str, Any]:
    problem = finding.problem
    return {
        "code": problem.code,
        "subject": finding.subject,
        "others": list(finding.others),
        "component": finding.component,
        "problem": {"en": finding.text(problem.text), "ja": finding.text(problem.text_ja)},
        "remedy": {"en": finding.text(problem.remedy), "ja": finding.text(problem.remedy_ja)},
    }


def _print_findings(found: dict[str, list[Finding]], checks: int) -> None:
    from rich.padding import Padding
    from rich.text import Text

    console = output.console()
    for namespace, findings in found.items():
        if not findings:
            right = output.say(f"nothing is wrong ({checks} checks)", f"問題は見つかりません (確認 {checks} 項目)")
            console.print(f"[bold]{namespace}[/]: [green]{right}[/]")
            continue
        console.print(f"[bold]{namespace}[/]")
        for finding in findings:
            problem = finding.problem
            count = len(finding.others)
            more = output.say(f" and {count} more", f" ほか {count} 件") if count else ""
            console.print(f"[bold red]{problem.code}[/]  {finding.subject}{more}")
            said = finding.text(output.say(problem.text, problem.text_ja))
            remedy = finding.text(output.say(problem.remedy, problem.remedy_ja))
            console.print(Padding(Text(said), (0, 0, 0, 2)))
            console.print(Padding(Text(f"{output.say('remedy', '対処')}: {remedy}", "dim"), (0, 0, 0, 2)))


@app.command()
def call(
    function: Function,
    method: Method,
    request: Request = "{}",
    files: Files = None,
    namespace: Namespace = "",
    release: Release = "",
    timeout: Timeout = None,
    context: Context = "",
) -> None:
    """Call a method through a port-forward to a ready pod, and print its answer as JSON, as buhin call does."""
    with output.reported():
        from buhin.client.connection import Connection
        from buhin.cluster import names
        from buhin.cluster.forward import Forward
        from buhin.cluster.services import forwarded, one, ready_pod, settings_for
        from buhin.config import ClientSettings
        from buhin.errors import ClusterError, UnavailableError

        function = function.replace("-", "_")
        chosen = named(function, method)
        message = written(chosen, request, files or [])
        cluster = _cluster(context, namespace)
        service = one(cluster, cluster.namespace, function, release)
        settings = settings_for(service, ClientSettings())
        with (
            Forward(cluster, service.namespace, ready_pod(service).name, names.GRPC_PORT) as forward,
            Connection(function, target=forwarded(service, forward), settings=settings) as connection,
        ):
            try:
                print_answers(connection, chosen, message, timeout)
            except UnavailableError as error:
                if type(error) is not UnavailableError:
                    raise
                said = forward.problem or error.metadata["problem"]
                raise ClusterError(problem=f"{service.name} (TLS {service.tls}): {said}") from error
