"""Addresses such as buhin://translate: what is asked in which order, and calls that follow the pods."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from buhin import errors
from buhin.client import AsyncTranslateClient, TranslateClient, resolving
from buhin.client.connection import AsyncConnection, Connection
from buhin.client.resolving import Target, resolve
from buhin.cluster import here
from buhin.cluster.api import Cluster
from buhin.cluster.endpoints import Endpoints, ready_addresses
from buhin.config import ClientSettings
from buhin.translate.v1 import translate_pb2
from tests.cluster_api import Access, ApiServer, Rule
from tests.cluster_api.server import ADMIN
from tests.cluster_api.store import Thing
from tests.unit.cluster.recorded import NAMESPACE, healthy
from tests.unit.helm.rendering import example, the

METHODS = translate_pb2.DESCRIPTOR.services_by_name["TranslateService"].methods_by_name
SLICE = "buhin-translate-pods-7kw2m"
NAME = f"buhin-translate.{NAMESPACE}.svc"
ADDRESS = f"buhin://translate.{NAMESPACE}"


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API server with the recorded objects, as a program in the cluster sees it."""
    with ApiServer() as running:
        running.put(*healthy())
        monkeypatch.setenv("KUBECONFIG", str(running.kubeconfig(tmp_path / "kubeconfig", namespace=NAMESPACE)))
        monkeypatch.setattr(here, "inside", lambda: True)
        monkeypatch.setattr(resolving, "_known", lambda host: False)
        yield running


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    for _ in range(2_000):
        if holds():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it did not come about in ten seconds")


@pytest.mark.parametrize(
    ("address", "settings", "known", "target"),
    [
        ("host:1", {"translate_address": "other:1"}, "", Target("host:1")),
        ("unix:/run/x", {}, "", Target("unix:/run/x")),
        ("buhin://translate", {"translate_address": "other:1"}, "buhin-translate-pods.ai.svc", Target("other:1")),
        (
            "buhin://translate", {"namespace": "ai", "translate_address": "buhin://translate"},
            "buhin-translate-pods.ai.svc",
            Target("dns:///buhin-translate-pods.ai.svc:50051", "buhin-translate.ai.svc", pods=True),
        ),
        (
            "buhin://image-inspect.city", {"namespace": "ai", "release": "north"},
            "north-buhin-image-inspect-pods.city.svc",
            Target(
                "dns:///north-buhin-image-inspect-pods.city.svc:50051", "north-buhin-image-inspect.city.svc", pods=True
            ),
        ),
        (
            "buhin://image_inspect.city", {"release": "buhin-east"}, "buhin-east-image-inspect-pods.city.svc",
            Target("dns:///buhin-east-image-inspect-pods.city.svc:50051", "buhin-east-image-inspect.city.svc", True),
        ),
        (
            "buhin://speech", {}, "buhin-speech-pods.default.svc",
            Target("dns:///buhin-speech-pods.default.svc:50051", "buhin-speech.default.svc", pods=True),
        ),
    ],
)  # fmt: skip
def test_the_address_then_the_environment_then_the_dns(
    monkeypatch: pytest.MonkeyPatch, address: str, settings: dict[str, Any], known: str, target: Target
) -> None:
    monkeypatch.setattr(resolving, "_known", lambda host: host == known)
    assert resolve(address, ClientSettings(**settings)).target == target


def test_the_namespace_of_a_pod_is_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("welfare\n")
    monkeypatch.setattr(here, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr(resolving, "_known", lambda host: True)
    assert resolve("buhin://speech", ClientSettings()).target.certificate_name == "buhin-speech.welfare.svc"


@pytest.mark.parametrize("address", ["buhin://", "buhin://Speech", "buhin://speech.a.b", "buhin://speech:1"])
def test_what_cannot_be_an_address_is_refused(address: str) -> None:
    with pytest.raises(errors.InvalidValueError, match="accepted: buhin://FUNCTION"):
        resolve(address, ClientSettings())


def test_a_name_that_the_dns_does_not_know_is_not_known() -> None:
    assert resolving._known("localhost")
    assert not resolving._known("buhin-speech-pods.nowhere.invalid")


def test_from_outside_the_error_names_the_ways_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "_known", lambda host: False)
    with TranslateClient("buhin://translate.ai") as client, pytest.raises(errors.OutsideClusterError) as caught:
        client.list_languages()
    for way in ("buhin cluster call translate METHOD -n ai", "port-forward -n ai service/buhin-translate 50051"):
        assert way in caught.value.message
        assert way in caught.value.message_ja.replace(" と localhost", "")


def test_a_pod_without_a_token_waits_for_the_dns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("ai")
    monkeypatch.setattr(here, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.43.0.1")
    monkeypatch.setattr(resolving, "_known", lambda host: False)
    target = Target("dns:///buhin-translate-pods.ai.svc:50051", NAME, pods=True)
    assert resolve("buhin://translate", ClientSettings()).target == target


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "_known", lambda host: False)
    monkeypatch.setattr(here, "inside", lambda: True)
    monkeypatch.setitem(sys.modules, "buhin.cluster.api", None)
    with pytest.raises(errors.ClusterError, match=r"pip install 'buhin\[cluster\]'"):
        resolve("buhin://speech", ClientSettings())


@pytest.mark.parametrize("token", [True, False])
def test_a_pod_asks_the_api_of_its_own_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: bool) -> None:
    monkeypatch.setattr(here, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.43.0.1")
    if token:
        (tmp_path / "token").write_text("t")
    assert here.inside() is token
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert not here.inside()


def slice_of(thing: Thing, *hosts: str, port: int = 50051) -> Thing:
    """The recorded slice with other pods."""
    (kind,) = {"IPv6" if ":" in host else "IPv4" for host in hosts} or {"IPv4"}
    endpoints = [{"addresses": [host], "conditions": {"ready": True}} for host in hosts]
    ports = [{**each, "port": port} if each["name"] == "grpc" else each for each in thing["ports"]]
    return thing | {"endpoints": endpoints, "addressType": kind, "ports": ports}


def recorded_slice() -> Thing:
    """That of the headless Service."""
    return next(each for each in healthy() if each["metadata"]["name"] == SLICE)


def move(api: ApiServer, *hosts: str, port: int = 50051) -> None:
    """The pods are these now."""
    api.put(slice_of(recorded_slice(), *hosts, port=port))


@pytest.mark.parametrize(
    ("endpoints", "family", "expected"),
    [
        ([{"addresses": ["10.0.0.2"]}, {"addresses": ["10.0.0.1"]}], "IPv4", "ipv4:10.0.0.1:50051,10.0.0.2:50051"),
        ([{"addresses": ["10.0.0.1"], "conditions": {"ready": False}}], "IPv4", ""),
        ([{"addresses": ["fd00::1"], "conditions": {}}], "IPv6", "ipv6:[fd00::1]:50051"),
        ([{"addresses": ["a.example"]}], "FQDN", ""),
        (None, "IPv4", ""),
    ],
)
def test_ready_pods_are_written_as_grpc_reads_them(endpoints: Any, family: str, expected: str) -> None:
    from kubernetes import client

    thing = recorded_slice() | {"endpoints": endpoints, "addressType": family}
    read = client.ApiClient().deserialize(json.dumps(thing), "V1EndpointSlice", "application/json")
    assert ready_addresses([read]) == expected


def test_both_families_are_not_mixed() -> None:
    from kubernetes import client

    things = [slice_of(recorded_slice(), "fd00::1"), slice_of(recorded_slice(), "10.0.0.1")]
    read = [client.ApiClient().deserialize(json.dumps(each), "V1EndpointSlice", "application/json") for each in things]
    assert ready_addresses(read) == "ipv4:10.0.0.1:50051"


def test_the_watch_follows_the_pods_whatever_becomes_of_it(api: ApiServer) -> None:
    place = resolve(ADDRESS, ClientSettings())
    assert place.target == Target("ipv4:10.42.1.23:50051", NAME, pods=True)
    move(api, "10.0.0.1", "10.0.0.2")
    until(lambda: place.target.address == "ipv4:10.0.0.1:50051,10.0.0.2:50051")
    api.drop_watches()
    move(api, "10.0.0.3")
    until(lambda: place.target.address == "ipv4:10.0.0.3:50051")
    api.store.forget()  # the next watch starts too late and has to list again
    move(api, "10.0.0.4")
    api.store.forget()
    api.drop_watches()
    until(lambda: place.target.address == "ipv4:10.0.0.4:50051")
    api.remove("discovery.k8s.io/v1", "EndpointSlice", SLICE, NAMESPACE)
    until(lambda: not somewhere(place))
    with pytest.raises(errors.NoReadyPodError, match="buhin cluster doctor -n ai"):
        _ = place.target
    place.close()


def somewhere(place: resolving.Place) -> bool:
    """Whether it is somewhere."""
    try:
        return bool(place.target)
    except errors.NoReadyPodError:
        return False


def test_the_role_of_readers_grants_what_this_needs_and_no_more(api: ApiServer) -> None:
    rules = the(example("production"), "Role", "buhin-reader")["rules"]
    reader = api.tokens[ADMIN] = Access("system:serviceaccount:ai:reader", Rule.of(rules, NAMESPACE))
    place = Endpoints(Cluster(), "buhin-translate", NAMESPACE)
    move(api, "10.0.0.9")
    until(lambda: place.target.address == "ipv4:10.0.0.9:50051")
    place.close()
    called = {(call.verb, call.group, call.target) for call in reader.calls}
    assert called == {
        (v, g, r) for rule in rules for v in rule["verbs"] for g in rule["apiGroups"] for r in rule["resources"]
    }


def test_who_may_not_read_is_told(api: ApiServer) -> None:
    api.tokens[ADMIN] = Access("nobody", [])
    with TranslateClient(ADDRESS) as client, pytest.raises(errors.ClusterForbiddenError, match="list endpointslices"):
        client.list_languages()


class Pods:
    """Servers on addresses of their own, all at the same port, that tell who answered; a stream echoes."""

    def __init__(self) -> None:
        self.port = 0
        self._servers: dict[str, grpc.aio.Server] = {}

    async def start(self, host: str) -> None:
        """One more."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])

        async def answer(request: bytes, context: Any) -> bytes:
            return translate_pb2.TranslateTextResponse(
                translations=[translate_pb2.Translation(translated_text=host)]
            ).SerializeToString()

        async def echo(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async for _ in requests:
                yield translate_pb2.StreamTranslateTextResponse(translated_text=host).SerializeToString()

        handlers: dict[str, Any] = {
            "TranslateText": grpc.unary_unary_rpc_method_handler(answer),
            "StreamTranslateText": grpc.stream_stream_rpc_method_handler(echo),
        }
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("buhin.translate.v1.TranslateService", handlers)]
        )
        self.port = server.add_insecure_port(f"{host}:{self.port}")
        await server.start()
        self._servers[host] = server

    async def stop(self, *hosts: str) -> None:
        """They are gone."""
        for host in hosts or list(self._servers):
            await self._servers.pop(host).stop(0)


@asynccontextmanager
async def pods(*hosts: str) -> AsyncIterator[Pods]:
    """Servers that run."""
    found = Pods()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(found.stop)
        for host in hosts:
            await found.start(host)
        yield found


def who(answer: Any) -> str:
    """Who answered."""
    return str(answer.translations[0].translated_text)


async def test_calls_go_to_all_pods_in_turn_and_follow_them(api: ApiServer) -> None:
    async with pods("127.0.0.1", "127.0.0.2") as running, AsyncTranslateClient(ADDRESS) as client:
        move(api, "127.0.0.1", "127.0.0.2", port=running.port)

        async def asked() -> set[str]:
            return {who(await client.translate_text(["a"], target="en")) for _ in range(8)}

        async def becomes(*hosts: str) -> None:
            for _ in range(500):
                if await asked() == set(hosts):
                    return
            raise AssertionError(f"not {hosts}: {await asked()}")

        await becomes("127.0.0.1", "127.0.0.2")
        move(api, "127.0.0.2", port=running.port)
        await becomes("127.0.0.2")
        await running.start("127.0.0.3")
        move(api, "127.0.0.2", "127.0.0.3", port=running.port)
        await becomes("127.0.0.2", "127.0.0.3")
        await running.stop("127.0.0.2")
        move(api, "127.0.0.3", port=running.port)
        await becomes("127.0.0.3")


async def test_the_same_without_asyncio(api: ApiServer) -> None:
    async with pods("127.0.0.1", "127.0.0.2") as running:
        move(api, "127.0.0.1", port=running.port)

        def follow() -> None:
            with TranslateClient(ADDRESS) as client:
                until(lambda: who(client.translate_text(["a"], target="en")) == "127.0.0.1")
                move(api, "127.0.0.2", port=running.port)
                until(lambda: who(client.translate_text(["a"], target="en")) == "127.0.0.2")

        await asyncio.to_thread(follow)


REQUEST = translate_pb2.StreamTranslateTextRequest(text="a")


async def test_a_stream_goes_on_where_it_began_and_its_channel_is_closed_after_it(api: ApiServer) -> None:
    async with pods("127.0.0.1", "127.0.0.2") as running:
        move(api, "127.0.0.1", port=running.port)
        more, done = asyncio.Event(), asyncio.Event()

        async def requests() -> AsyncIterator[Any]:
            yield REQUEST
            await more.wait()
            yield REQUEST
            await done.wait()

        async with AsyncConnection("translate", address=ADDRESS) as connection:
            stream = connection.stream(METHODS["StreamTranslateText"], requests())
            assert (await anext(stream)).translated_text == "127.0.0.1"
            first = connection._dialled
            assert first is not None
            move(api, "127.0.0.2", port=running.port)
            while (
                who(await connection.unary(METHODS["TranslateText"], translate_pb2.TranslateTextRequest()))
                != "127.0.0.2"
            ):
                pass
            more.set()
            assert (await anext(stream)).translated_text == "127.0.0.1"
            assert (first.left, first.done, first.channel.get_state()) == (True, False, grpc.ChannelConnectivity.READY)
            done.set()
            assert [answer async for answer in stream] == []
            assert first.done
            assert first.channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN


async def test_the_same_stream_without_asyncio(api: ApiServer) -> None:
    async with pods("127.0.0.1", "127.0.0.2") as running:
        move(api, "127.0.0.1", port=running.port)

        def follow() -> None:
            more = threading.Event()

            def requests() -> Iterator[Any]:
                yield REQUEST
                more.wait(10)
                yield REQUEST

            with Connection("translate", address=ADDRESS) as connection:
                stream = connection.stream(METHODS["StreamTranslateText"], requests())
                assert next(stream).translated_text == "127.0.0.1"
                first = connection._dialled
                assert first is not None
                move(api, "127.0.0.2", port=running.port)
                ask = translate_pb2.TranslateTextRequest()
                until(lambda: who(connection.unary(METHODS["TranslateText"], ask)) == "127.0.0.2")
                assert (first.left, first.done) == (True, False)
                more.set()
                assert [answer.translated_text for answer in stream] == ["127.0.0.1"]
                assert first.done
                with pytest.raises(ValueError, match="closed channel"):
                    first.channel.unary_unary("/x/y")(b"")

        await asyncio.to_thread(follow)
