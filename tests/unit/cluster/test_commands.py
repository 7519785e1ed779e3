"""The commands, against the API server of the tests and a service that runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from buhin.cli.main import app
from buhin.cluster import names
from tests.cluster_api import Access, ApiServer, Rule
from tests.cluster_api.server import ADMIN
from tests.fleet import Fleet
from tests.unit.cluster.recorded import CASES, NAMESPACE, POD, case, healthy, put_case
from tests.unit.cluster.running import running
from tests.unit.helm.rendering import example, the
from tests.unit.serving.auth.issuing import Authority
from tests.unit.serving.fakes import MODEL

pytestmark = pytest.mark.usefixtures("silent_services")
TRANSLATE = ["call", "translate", "TranslateText"]


async def buhin(*arguments: str, given: str | None = None) -> Result:
    """Run a command beside the service."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["cluster", *arguments], input=given)


async def test_list_tells_health_pods_models_and_the_queue(api: ApiServer) -> None:
    async with running(api):
        (found,) = json.loads((await buhin("list", "--json")).stdout)
        table = await buhin("list")
    assert found["health"] == "SERVING", found
    assert not found["pods"][0]["problem"]
    assert (found["ready"], found["total"], found["waiting"]) == (1, 1, 0)
    assert (found["models"], found["endpoints"], found["tls"]) == (["tiny"], ["10.42.1.23"], "none")
    assert found["pods"][0]["metrics"]["models"] == [{"id": "tiny", "role": "testing", "digest": MODEL.digest}]
    assert table.exit_code == 0
    for text in (NAMESPACE, "buhin-translate", "SERVING", "1/1", "tiny"):
        assert text in table.stdout


async def test_list_counts_requests_that_wait(api: ApiServer) -> None:
    async with running(api) as server:
        server.metrics.watch_queue(lambda priority: (3, 40.0))
        (found,) = json.loads((await buhin("list", "--json")).stdout)
    assert (found["waiting"], found["pods"][0]["metrics"]["waiting_units"]) == (6, 80.0)  # of two priorities


async def test_list_of_all_namespaces(api: ApiServer) -> None:
    for thing in healthy():
        thing["metadata"]["namespace"] = "other"
        api.put(thing)
    async with running(api):
        found = json.loads((await buhin("list", "-A", "--json")).stdout)
        here = json.loads((await buhin("list", "-n", "other", "--json")).stdout)
    assert [(each["namespace"], each["ready"]) for each in found] == [(NAMESPACE, 1), ("other", 1)]
    assert [each["namespace"] for each in here] == ["other"]


async def test_a_pod_that_does_not_tell_is_noted_and_the_rest_is_shown(api: ApiServer) -> None:
    async with running(api):
        api.ports.clear()
        found = await buhin("list", "--json")
        table = await buhin("list")
    (pod,) = json.loads(found.stdout)[0]["pods"]
    assert "failed to connect to localhost:50251" in pod["problem"]
    assert f"{POD}: failed to connect" in table.stderr.replace("\n", " ")


@pytest.mark.parametrize("command", [["list"], ["show", "translate"]])
async def test_a_service_that_does_not_serve_is_exit_status_1(api: ApiServer, command: list[str]) -> None:
    put_case(api, case(next(path for path in CASES if path.stem == "crashing")))
    result = await buhin(*command, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found[0] if isinstance(found, list) else found)["health"] == "NOT_SERVING"


async def test_show_tells_pods_and_the_card(api: ApiServer) -> None:
    async with running(api):
        found = json.loads((await buhin("show", "translate", "--json")).stdout)
        shown = await buhin("show", "translate")
    assert found["info"]["engine"] == "fake"
    assert [model["loaded"] for model in found["info"]["models"]] == [True]
    assert found["pods"][0]["node"] == "node-1"
    for text in ("buhin-translate.ai.svc:50051", "10.42.1.23", "fake 1.2", "tiny (testing): loaded", POD, "node-1"):
        assert text in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["show", "speech"], "SERVICE_NOT_FOUND: there is no service for speech in namespace ai; there is: buhin-tr"),
        (["show", "translate", "--release", "other"], "SERVICE_NOT_FOUND"),
        ([*TRANSLATE, "-n", "none"], "SERVICE_NOT_FOUND"),
        (["call", "translate", "Fly"], "INVALID_VALUE: METHOD is Fly; accepted: TranslateText"),
        (["call", "cook", "Fly"], "INVALID_VALUE: FUNCTION is cook"),
        ([*TRANSLATE, '{"colour": 1}'], "UNREADABLE_MEDIA: REQUEST cannot be read"),
        ([*TRANSLATE, "{"], "UNREADABLE_MEDIA: REQUEST cannot be read"),
        ([*TRANSLATE, "--file", "contents=x"], "INVALID_VALUE: --file is contents=x"),
        (["call", "speech", "Recognize", "--file", "x=y"], "INVALID_VALUE: --file is x=y; accepted: audio=FILE"),
        (["list", "--context", "nowhere"], "NO_CLUSTER"),
    ],
)
async def test_a_mistake_is_said_in_one_line(api: ApiServer, arguments: list[str], reason: str) -> None:
    api.put(*healthy())
    result = await buhin(*arguments)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


async def test_call_reaches_the_pod_through_the_cluster(api: ApiServer) -> None:
    async with running(api):
        result = await buhin(*TRANSLATE, '{"contents": ["a", "b"]}')
        given = await buhin(*TRANSLATE, "-", given='{"contents": ["c"]}')
    assert [each["translated_text"] for each in json.loads(result.stdout)["translations"]] == ["A", "B"]
    assert json.loads(given.stdout)["translations"][0]["translated_text"] == "C"


async def test_call_carries_megabytes_both_ways(api: ApiServer) -> None:
    text = "x" * 3_000_000
    async with running(api):
        result = await buhin(*TRANSLATE, "-", given=json.dumps({"contents": [text]}))
    assert json.loads(result.stdout)["translations"][0]["translated_text"] == text.upper()


async def test_call_goes_through_an_api_server_with_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority()
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    text = "y" * 1_000_000
    with ApiServer(*authority.issue(tmp_path, "localhost")) as api:
        config = api.kubeconfig(tmp_path / "kubeconfig", namespace=NAMESPACE, authority=tmp_path / "ca.crt")
        monkeypatch.setenv("KUBECONFIG", str(config))
        async with running(api):
            result = await buhin(*TRANSLATE, "-", given=json.dumps({"contents": [text]}))
            listed = await buhin("list")
    assert json.loads(result.stdout)["translations"][0]["translated_text"] == text.upper()
    assert listed.exit_code == 0


async def test_bytes_come_from_a_file(api: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    given = f"audio={tmp_path / 'a.wav'}"
    with Fleet(tmp_path, functions=("speech",)) as fleet:
        for thing in healthy():  # the recorded service, as one of speech
            put = json.loads(json.dumps(thing).replace("translate", "speech"))
            api.put(put)
        host, _, port = fleet.addresses["speech"].rpartition(":")
        api.ports[NAMESPACE, POD.replace("translate", "speech"), names.GRPC_PORT] = (host, int(port))
        result = await buhin("call", "speech", "Recognize", '{"config": {"languageCode": "ja"}}', "--file", given)
        information = await buhin("call", "speech", "GetServiceInfo")
    assert json.loads(result.stdout)["language_code"] == "ja"
    assert json.loads(information.stdout)["info"]["function"] == "speech"


async def test_an_error_of_the_service_stays_what_it_is(api: ApiServer) -> None:
    async with running(api):
        result = await buhin("call", "translate", "DetectLanguage", "{}")
    assert result.exit_code == 1
    assert "NOT_IMPLEMENTED" in result.stderr


async def test_a_pod_that_takes_no_connection_is_told(api: ApiServer) -> None:
    api.put(*healthy())
    result = await buhin(*TRANSLATE, "--timeout", "5")
    assert result.exit_code == 1
    assert "CLUSTER_FAILED: the cluster refuses: buhin-translate (TLS none): failed to connect" in result.stderr


async def test_no_ready_pod_names_the_doctor(api: ApiServer) -> None:
    put_case(api, case(next(path for path in CASES if path.stem == "crashing")))
    result = await buhin(*TRANSLATE)
    assert "NO_READY_POD" in result.stderr
    assert "buhin cluster doctor -n ai" in result.stderr


@pytest.mark.parametrize("tls", ["server", "mutual"])
async def test_call_knows_the_name_of_the_certificate(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    authority = Authority()
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    certificate, key = authority.issue(tmp_path, "buhin-translate.ai.svc")
    mine, my_key = authority.issue(tmp_path, "jobs.example")
    monkeypatch.setenv("BUHIN_TLS_CA", str(tmp_path / "ca.crt"))
    settings: dict[str, Any] = {"tls_certificate": certificate, "tls_key": key}
    if tls == "mutual":
        settings["tls_client_ca"] = tmp_path / "ca.crt"
    async with running(api, tls=tls, **settings):
        if tls == "mutual":
            refused = await buhin(*TRANSLATE, '{"contents": ["a"]}')
            assert "BUHIN_CLIENT_CERTIFICATE, BUHIN_CLIENT_KEY" in refused.stderr
            monkeypatch.setenv("BUHIN_CLIENT_CERTIFICATE", str(mine))
            monkeypatch.setenv("BUHIN_CLIENT_KEY", str(my_key))
        result = await buhin(*TRANSLATE, '{"contents": ["a"]}')
    assert json.loads(result.stdout)["translations"][0]["translated_text"] == "A"


async def test_a_certificate_for_another_name_is_refused(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority()
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    certificate, key = authority.issue(tmp_path, "buhin-translate.other.svc")
    monkeypatch.setenv("BUHIN_TLS_CA", str(tmp_path / "ca.crt"))
    async with running(api, tls="server", tls_certificate=certificate, tls_key=key):
        result = await buhin(*TRANSLATE, '{"contents": ["a"]}', "--timeout", "5")
    assert result.exit_code == 1
    assert "CLUSTER_FAILED" in result.stderr


@pytest.mark.parametrize("language", ["en", "ja"])
async def test_doctor_says_what_is_wrong_and_what_to_do(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("BUHIN_LANG", language)
    put_case(api, case(next(path for path in CASES if path.stem == "out_of_memory")))
    result = await buhin("doctor")
    assert result.exit_code == 1
    assert f"OUT_OF_MEMORY  pod/{POD}" in result.stdout
    assert ("limit of 4Gi" if language == "en" else "メモリ上限 4Gi") in result.stdout
    assert ("remedy: raise" if language == "en" else "対処: サービスの") in result.stdout


async def test_doctor_of_what_is_well(api: ApiServer) -> None:
    api.put(*healthy())
    result = await buhin("doctor", "-A", "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["namespaces"] == {NAMESPACE: []}
    assert "images" in told["checks"]


async def test_doctor_in_json_has_both_languages(api: ApiServer) -> None:
    result = await buhin("doctor", "-n", "empty", "--json")
    assert result.exit_code == 1
    (finding,) = json.loads(result.stdout)["namespaces"]["empty"]
    assert (finding["code"], finding["subject"]) == ("NOTHING_DEPLOYED", "namespace/empty")
    assert set(finding["remedy"]) == set(finding["problem"]) == {"en", "ja"}


def rules(name: str) -> list[dict[str, Any]]:
    """The rules of a Role that the chart grants."""
    found: list[dict[str, Any]] = the(example("production"), "Role", name)["rules"]
    return found


def granted(name: str) -> set[tuple[str, str, str]]:
    """Verb, group and resource of everything that a Role grants."""
    return {
        (verb, group, resource)
        for rule in rules(name)
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


async def test_the_role_of_operators_grants_what_the_commands_need_and_no_more(api: ApiServer) -> None:
    operator = Access("system:serviceaccount:ai:operator", Rule.of(rules("buhin-operator"), NAMESPACE))
    async with running(api):
        api.tokens[ADMIN] = operator
        for command in (["list"], ["show", "translate"], ["doctor"], [*TRANSLATE, '{"contents": ["a"]}']):
            result = await buhin(*command)
            assert result.exit_code == 0, (command, result.output)
    put_case(api, case(next(path for path in CASES if path.stem == "crashing")))
    assert "CRASHING" in (await buhin("doctor")).stdout
    assert {(call.verb, call.group, call.target) for call in operator.calls} == granted("buhin-operator")


@pytest.mark.parametrize(
    ("taken", "command", "said"),
    [
        ("pods/portforward", TRANSLATE, "CLUSTER_FORBIDDEN: the cluster does not allow to get, create pods/portf"),
        ("services", ["list"], "CLUSTER_FORBIDDEN: the cluster does not allow to list services in ai; ask"),
    ],
)
async def test_what_is_not_granted_is_said(api: ApiServer, taken: str, command: list[str], said: str) -> None:
    left = [
        rule | {"resources": [each for each in rule["resources"] if each != taken]} for rule in rules("buhin-operator")
    ]
    async with running(api):
        api.tokens[ADMIN] = Access("someone", Rule.of(left, NAMESPACE))
        result = await buhin(*command)
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.parametrize("broken", ["unknown token", "no server", "no file"])
async def test_a_cluster_that_cannot_be_asked_is_said(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    breaking: dict[str, Callable[[], object]] = {
        "unknown token": lambda: api.tokens.clear(),
        "no server": lambda: setattr(api, "url", "http://127.0.0.1:1"),
        "no file": lambda: monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none")),
    }
    breaking[broken]()
    if broken == "no server":
        api.kubeconfig(tmp_path / "kubeconfig", namespace=NAMESPACE)
    result = await buhin("list")
    assert result.exit_code == 1
    assert ("NO_CLUSTER" if broken == "no file" else "CLUSTER_UNREACHABLE") in result.stderr
