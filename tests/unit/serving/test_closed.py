"""A real service that is closed to strangers: mutual TLS, tokens, the policy, quotas; and open only on loopback."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from pydantic import SecretStr
from structlog.testing import capture_logs

from buhin import errors
from buhin.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from buhin.client import AsyncTranslateClient
from buhin.config import ClientSettings
from buhin.serving import Server
from buhin.serving.auth import tls
from buhin.serving.auth.policy import PolicyError
from buhin.serving.worker import State
from buhin.status import decode_call
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from tests.unit.serving.auth.issuing import AUDIENCE, ISSUER, SUBJECT, Authority, ec_key, jwks, rsa_key, token
from tests.unit.serving.fakes import FakeEngine, application
from tests.unit.serving.test_server import health_of

KEY = rsa_key()
AUTHORITY, STRANGE_AUTHORITY = Authority(), Authority()


def policy(folder: Path, **limits: Any) -> Path:
    """Who may call in these tests: a token's subject and a certificate's name."""
    (folder / "jwks.json").write_text(jwks(k1=KEY))
    path = folder / "policy.yaml"
    allow = [{"service": "translate", "methods": ["TranslateText"], **limits}]
    path.write_text(
        yaml.safe_dump(
            {
                "issuers": [{"issuer": ISSUER, "audience": AUDIENCE, "jwks": "jwks.json"}],
                "callers": [
                    {"name": "construction", "subject": SUBJECT, "allow": allow},
                    {"name": "jobs", "certificate": "jobs.example", "allow": [{"service": "*"}]},
                ],
            }
        )
    )
    return path


@asynccontextmanager
async def closed(folder: Path, *, mutual: bool = True, **settings: Any) -> AsyncIterator[Server[FakeEngine]]:
    """The fake service with TLS."""
    certificate, key = AUTHORITY.issue(folder, "localhost", stem="service")
    (folder / "ca.crt").write_bytes(AUTHORITY.pem)
    given = settings | {
        "host": "127.0.0.1", "tls_certificate": certificate, "tls_key": key,
        "tls_client_ca": folder / "ca.crt" if mutual else None,
    }  # fmt: skip
    async with Server(application(FakeEngine, **given)) as server:
        assert await server.started() is State.SERVING
        yield server


def client(server: Server[Any], folder: Path, **settings: Any) -> AsyncTranslateClient:
    """The SDK's client with the authority's certificate."""
    address = server.address.replace("127.0.0.1", "localhost")
    return AsyncTranslateClient(address, settings=ClientSettings(tls_ca=folder / "ca.crt", **settings))


async def called(server: Server[Any], folder: Path, **settings: Any) -> str:
    """What a client with these settings is answered."""
    async with client(server, folder, **settings) as opened:
        answer = await opened.translate_text(["ab"], target="en")
    return answer.translations[0].translated_text


async def test_a_caller_with_a_certificate_of_the_policy_is_let_in(tmp_path: Path) -> None:
    certificate, key = AUTHORITY.issue(tmp_path, "jobs.example")
    async with closed(tmp_path, policy=policy(tmp_path)) as server:
        with capture_logs() as logs:
            found = await called(server, tmp_path, client_certificate=certificate, client_key=key)
    assert found == "AB"
    assert [entry["caller"] for entry in logs if entry["event"] == "call"] == ["jobs"]


@pytest.mark.parametrize("who", ["nobody", "stranger"])
async def test_without_a_certificate_of_the_authority_there_is_no_connection(tmp_path: Path, who: str) -> None:
    settings: dict[str, Any] = {}
    if who == "stranger":
        (tmp_path / "strange").mkdir()
        settings["client_certificate"], settings["client_key"] = STRANGE_AUTHORITY.issue(tmp_path, "jobs.example")
    async with closed(tmp_path, policy=policy(tmp_path)) as server:
        with pytest.raises(errors.UnavailableError):
            await called(server, tmp_path, **settings)


async def test_a_new_certificate_is_shown_to_the_next_connection(tmp_path: Path) -> None:
    async with closed(tmp_path, mutual=False) as server:
        assert await called(server, tmp_path) == "AB"
        STRANGE_AUTHORITY.issue(tmp_path, "localhost", stem="service")
        with pytest.raises(errors.UnavailableError):
            await called(server, tmp_path)
        (tmp_path / "ca.crt").write_bytes(STRANGE_AUTHORITY.pem)
        assert await called(server, tmp_path) == "AB"


async def test_a_certificate_that_does_not_fit_its_key_is_not_used(tmp_path: Path) -> None:
    async with closed(tmp_path, mutual=False) as server:
        kept = (tmp_path / "service.key").read_bytes()
        AUTHORITY.issue(tmp_path, "localhost", stem="service")
        (tmp_path / "service.key").write_bytes(kept)
        assert await called(server, tmp_path) == "AB"


@pytest.mark.parametrize("missing", ["certificate", "key", "mismatch", "authority"])
def test_files_that_do_not_fit_are_told_at_the_start(tmp_path: Path, missing: str) -> None:
    certificate, key = AUTHORITY.issue(tmp_path, "localhost")
    if missing == "mismatch":
        _, key = AUTHORITY.issue(tmp_path, "other")
    authority = tmp_path / "ca.crt"
    authority.write_bytes(b"none" if missing == "authority" else AUTHORITY.pem)
    if missing in ("certificate", "key"):
        (certificate if missing == "certificate" else key).unlink()
    with pytest.raises(ValueError, match=str(tmp_path)):
        tls.credentials(certificate, key, authority)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({}, errors.TokenMissingError),
        ({"token": token(KEY, exp=1_000_000_000)}, errors.TokenExpiredError),
        ({"token": token(rsa_key())}, errors.TokenInvalidError),
        ({"token": token(ec_key(), algorithm="ES256")}, errors.TokenInvalidError),
        ({"token": token(KEY, sub="someone")}, errors.UnknownCallerError),
    ],
)
async def test_who_is_not_known_is_told_so_and_nothing_is_done(
    tmp_path: Path, settings: dict[str, Any], error: type[errors.BuhinError]
) -> None:
    engine = FakeEngine()
    async with Server(application(lambda: engine, policy=policy(tmp_path))) as server:
        await server.started()
        async with AsyncTranslateClient(server.address, settings=ClientSettings(**settings)) as opened:
            with pytest.raises(error):
                await opened.translate_text(["ab"], target="en")
            with pytest.raises(error):
                [answer async for answer in opened.stream_translate_text(["ab"], target="en", source="ja")]
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub: Any = catalogue_pb2_grpc.ServiceInfoServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                await stub.GetServiceInfo(catalogue_pb2.GetServiceInfoRequest())
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert await health_of(server.health_address) == 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_of(server.address)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert engine.done == []


async def test_a_stream_that_is_refused_while_it_sends_is_told_why(tmp_path: Path) -> None:
    async with Server(application(FakeEngine, policy=policy(tmp_path))) as server:
        await server.started()
        async with AsyncTranslateClient(server.address, settings=ClientSettings()) as opened:
            for _ in range(50):
                with pytest.raises(errors.TokenMissingError):
                    [answer async for answer in opened.stream_translate_text(["ab"] * 20, target="en", source="ja")]


async def test_a_token_in_a_file_is_read_anew(tmp_path: Path) -> None:
    written = tmp_path / "token"
    written.write_text(token(KEY, exp=1_000_000_000))
    async with Server(application(FakeEngine, policy=policy(tmp_path))) as server:
        await server.started()
        async with AsyncTranslateClient(server.address, settings=ClientSettings(token_file=written)) as opened:
            with pytest.raises(errors.TokenExpiredError):
                await opened.translate_text(["ab"], target="en")
            written.write_text(token(KEY) + "\n")
            assert await opened.translate_text(["ab"], target="en")
            with pytest.raises(errors.NotAllowedError):
                await opened.list_languages()


@pytest.mark.parametrize(
    ("limits", "unit"), [({"requests_per_minute": 2}, "requests"), ({"units_per_day": 5}, "units")]
)
async def test_a_quota_is_charged_before_the_work(tmp_path: Path, limits: dict[str, float], unit: str) -> None:
    engine = FakeEngine()
    settings = ClientSettings(token=SecretStr(token(KEY)))
    app = application(lambda: engine, policy=policy(tmp_path, **limits))
    object.__setattr__(app, "units", lambda: lambda message: 2.0)
    async with Server(app) as server:
        await server.started()
        async with AsyncTranslateClient(server.address, settings=settings) as opened:
            for _ in range(2):
                await opened.translate_text(["ab"], target="en")
            with pytest.raises(errors.QuotaExceededError) as caught:
                await opened.translate_text(["cd"], target="en")
    assert caught.value.metadata["unit"] == unit
    assert (caught.value.retry_after_s or 0) > 0
    assert engine.done == ["ab", "ab"]


async def test_work_that_was_not_done_is_given_back(tmp_path: Path) -> None:
    loaded = threading.Event()

    def load() -> FakeEngine:
        loaded.wait(20)
        return FakeEngine()

    app = application(load, policy=policy(tmp_path, units_per_day=3))
    object.__setattr__(app, "units", lambda: lambda message: 2.0)
    request = translate_pb2.TranslateTextRequest(contents=["ab"], target_language_code="en")
    known = (("authorization", f"Bearer {token(KEY)}"),)
    async with Server(app) as server, grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        for _ in range(3):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.TranslateText(request, metadata=known)
            assert isinstance(decode_call(caught.value), errors.NotReadyError)
        loaded.set()
        await server.started()
        assert await stub.TranslateText(request, metadata=known)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.TranslateText(request, metadata=known)
        assert isinstance(decode_call(caught.value), errors.QuotaExceededError)


async def test_work_that_only_the_answer_tells_is_charged(tmp_path: Path) -> None:
    settings = ClientSettings(token=SecretStr(token(KEY)))
    app = application(FakeEngine, policy=policy(tmp_path, units_per_day=10))
    object.__setattr__(app, "done", lambda response: 50.0)
    async with Server(app) as server:
        await server.started()
        async with AsyncTranslateClient(server.address, settings=settings) as opened:
            await opened.translate_text(["ab"], target="en")
            with pytest.raises(errors.QuotaExceededError):
                await opened.translate_text(["ab"], target="en")


async def test_a_caller_may_ask_for_health_and_reflection(tmp_path: Path) -> None:
    async with Server(application(FakeEngine, policy=policy(tmp_path))) as server:
        await server.started()
        known = (("authorization", f"Bearer {token(KEY)}"),)
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            assert (await stub.Check(health_pb2.HealthCheckRequest(), metadata=known)).status == 1
            watching = stub.Watch(health_pb2.HealthCheckRequest(), metadata=known)
            assert (await anext(aiter(watching))).status == 1
            watching.cancel()
            info: Any = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
            ask = reflection_pb2.ServerReflectionRequest(list_services="")
            [answer] = [each async for each in info(iter([ask]), metadata=known)]
            assert "buhin.translate.v1.TranslateService" in str(answer)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                [each async for each in info(iter([ask]))]
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_stranger_sends_nothing_before_it_is_refused(tmp_path: Path) -> None:
    """The request is never asked for: its first bytes would be counted by flow control only."""
    async with Server(application(FakeEngine, policy=policy(tmp_path))) as server:
        await server.started()
        async with grpc.aio.insecure_channel(server.address) as channel:
            call: Any = channel.stream_unary("/buhin.translate.v1.TranslateService/TranslateText")()
            assert await call.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1"])  # noqa: S104 - what must not be listened on
async def test_without_a_policy_others_than_this_machine_cannot_connect(host: str) -> None:
    with pytest.raises(ValueError, match="BUHIN_POLICY"):
        async with Server(application(FakeEngine, host=host)):
            raise AssertionError("must not be reached")


async def test_without_a_policy_the_log_says_so() -> None:
    with capture_logs() as logs:
        async with Server(application(FakeEngine)):
            pass
    assert [entry["log_level"] for entry in logs if entry["event"] == "no_policy"] == ["warning"]


async def test_half_of_a_certificate_is_no_start(tmp_path: Path) -> None:
    certificate, _ = AUTHORITY.issue(tmp_path, "localhost")
    with pytest.raises(ValueError, match="BUHIN_TLS_KEY"):
        async with Server(application(FakeEngine, tls_certificate=certificate)):
            raise AssertionError("must not be reached")


def test_a_broken_policy_is_no_start(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("callers: 3")
    with pytest.raises(PolicyError):
        Server(application(FakeEngine, policy=tmp_path / "policy.yaml"))
