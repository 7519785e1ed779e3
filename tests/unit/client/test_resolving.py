"""Addresses such as buhin://translate: what is asked in which order, and calls that follow the pods."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from kubernetes import watch

from buhin import errors
from buhin.client import AsyncTranslateClient, TranslateClient, resolving
from buhin.client.connection import AsyncConnection, Connection
from buhin.client.resolving import Target, resolve
from buhin.cluster import here, names
from buhin.cluster.api import Cluster
from buhin.cluster.endpoints import Endpoints, ready_addresses
from buhin.cluster.services import find
from buhin.config import ClientSettings
from buhin.translate.v1 import translate_pb2
from tests.cluster_api import Access, ApiServer, Rule
from tests.cluster_api.server import ADMIN
from tests.unit.client.moving import (
    ADDRESS,
    METHODS,
    NAME,
    REQUEST,
    SLICE,
    move,
    pods,
    recorded_slice,
    slice_of,
    until,
    who,
)
from tests.unit.cluster.recorded import NAMESPACE
from tests.unit.helm.rendering import example, of, rendered, the


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


def following() -> list[threading.Thread]:
    """The threads that watch."""
    return [each for each in threading.enumerate() if each.name.startswith("endpoints ")]


def test_a_closed_place_is_watched_no_more(api: ApiServer) -> None:
    place = resolve(ADDRESS, ClientSettings())
    assert len(following()) == 1
    place.close()
    until(lambda: not following())


def test_a_client_that_is_dropped_is_watched_no_more(api: ApiServer) -> None:
    client = TranslateClient(ADDRESS)
    with pytest.raises(errors.UnavailableError):
        client.list_languages()
    assert len(following()) == 1
    del client
    gc.collect()
    until(lambda: not following())


@pytest.mark.parametrize(
    "event",
    [
        None,
        {"type": "ADDED", "object": None},
        ValueError("an object that cannot be read"),
    ],
)
def test_what_cannot_be_read_does_not_end_the_watch(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, event: Any
) -> None:
    stream, spoiled = watch.Watch.stream, threading.Event()

    def spoil(self: watch.Watch, *arguments: Any, **options: Any) -> Iterator[Any]:
        for each in stream(self, *arguments, **options):
            if not spoiled.is_set():
                spoiled.set()
                if isinstance(event, Exception):
                    raise event
                yield event
                if event is not None:
                    continue
            yield each

    monkeypatch.setattr(watch.Watch, "stream", spoil)
    place = resolve(ADDRESS, ClientSettings())
    move(api, "10.0.0.1")
    assert spoiled.wait(10)
    until(lambda: place.target.address == "ipv4:10.0.0.1:50051")
    move(api, "10.0.0.2")
    until(lambda: place.target.address == "ipv4:10.0.0.2:50051")
    place.close()


@pytest.mark.parametrize(
    ("release", "values", "name"),
    [
        ("north", {"nameOverride": "catalogue"}, "north-catalogue-translate"),
        ("east", {"fullnameOverride": "ai-of-the-city"}, "ai-of-the-city-translate"),
        ("south", {}, "south-buhin-translate"),
        ("the-catalogue-of-the-bureau-of-general-affairs", {}, "the-catalogue-of-the-bureau-of-general-a-translate"),
        (
            "buhin-of-the-long-bureau-of-construction-too",
            {},
            "buhin-of-the-long-bureau-of-construction-translate",
        ),
    ],
)
def test_a_service_is_found_whatever_the_chart_calls_it(
    api: ApiServer, release: str, values: dict[str, Any], name: str
) -> None:
    services = [each for each in of(rendered(values, release=release), "Service") if "-translate" in str(each)]
    headless = the(services, "Service", f"{name}-pods")
    if not values:
        assert names.service(release, "translate") == name
    labels = headless["metadata"]["labels"] | {"kubernetes.io/service-name": f"{name}-pods"}
    slices = slice_of(recorded_slice(), "10.0.0.7")
    slices["metadata"] |= {"name": f"{name}-pods-1", "labels": labels}
    api.put(slices, *(each | {"metadata": each["metadata"] | {"namespace": NAMESPACE}} for each in services))
    for said in {release, name.removesuffix("-translate")} if "buhin" in name else {release}:
        place = resolve(ADDRESS, ClientSettings(release=said))
        assert place.target == Target("ipv4:10.0.0.7:50051", f"{name}.{NAMESPACE}.svc", pods=True)
        place.close()
    (found,) = [each for each in find(Cluster(), NAMESPACE) if each.endpoints == ("10.0.0.7",)]
    assert (found.name, found.release, found.function) == (name, release, "translate")


def somewhere(place: resolving.Place) -> bool:
    """Whether it is somewhere."""
    try:
        return bool(place.target)
    except errors.NoReadyPodError:
        return False


def test_the_role_of_readers_grants_what_this_needs_and_no_more(api: ApiServer) -> None:
    rules = the(example("production"), "Role", "buhin-reader")["rules"]
    reader = api.tokens[ADMIN] = Access("system:serviceaccount:ai:reader", Rule.of(rules, NAMESPACE))
    place = Endpoints(Cluster(), "buhin", "translate", NAMESPACE)
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
