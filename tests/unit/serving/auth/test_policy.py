"""The policy, the quotas and the gate, at a clock that the test turns."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from structlog.testing import capture_logs

from buhin.errors import NotAllowedError, QuotaExceededError, TokenMissingError, UnknownCallerError
from buhin.serving.auth.gate import Gate
from buhin.serving.auth.identity import ANONYMOUS, Caller
from buhin.serving.auth.policy import Policy, PolicyError, Rule
from buhin.serving.auth.quota import Quotas
from tests.unit.serving.auth.issuing import AUDIENCE, ISSUER, SUBJECT, bearer, jwks, rsa_key, token

KEY = rsa_key()
POLICY: dict[str, Any] = {
    "issuers": [{"issuer": ISSUER, "audience": AUDIENCE, "jwks": "jwks.json"}],
    "callers": [
        {
            "name": "construction",
            "group": "bureau",
            "subject": SUBJECT,
            "allow": [{"service": "translate", "methods": ["TranslateText"], "requests_per_minute": 2}],
        },
        {
            "name": "night-jobs",
            "certificate": "jobs.example",
            "priority": "batch",
            "allow": [{"service": "*"}],
        },
    ],
}
TRANSLATE = "/buhin.translate.v1.TranslateService/TranslateText"
DETECT = "/buhin.translate.v1.TranslateService/DetectLanguage"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def written(folder: Path, policy: Any = POLICY) -> Path:
    """A policy in its file, with the keys beside it."""
    (folder / "jwks.json").write_text(jwks(k1=KEY))
    path = folder / "policy.yaml"
    path.write_text(policy if isinstance(policy, str) else yaml.safe_dump(policy))
    return path


def changed(**parts: Any) -> dict[str, Any]:
    """The policy with its first caller changed."""
    first, *others = POLICY["callers"]
    return POLICY | {"callers": [first | parts, *others]}


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("callers: [", ":1: no YAML"),
        ("- a", "policy"),
        ({"callers": [], "colour": "red"}, "colour"),
        (changed(certificate="x"), "either subject or certificate"),
        (changed(subject=""), "either subject or certificate"),
        (changed(issuer="https://other.example"), "name its issuer"),
        (changed(name="night-jobs"), "caller night-jobs stands 2 times"),
        (changed(name="a b"), "callers.0.name"),
        (changed(group="Bureau!"), "callers.0.group"),
        (changed(allow=[]), "callers.0.allow"),
        (changed(allow=[{"service": "translate", "requests_per_minute": 0}]), "requests_per_minute"),
        (changed(priority="urgent"), "priority"),
        (POLICY | {"issuers": [POLICY["issuers"][0] | {"algorithms": ["HS256"]}]}, "algorithms"),
        (POLICY | {"issuers": [POLICY["issuers"][0] | {"algorithms": ["none"]}]}, "algorithms"),
        (POLICY | {"issuers": [POLICY["issuers"][0] | {"jwks": "http://id.example/keys"}]}, "https"),
        (POLICY | {"issuers": POLICY["issuers"] * 2}, "stands 2 times"),
    ],
)
def test_a_policy_that_cannot_be_right_is_refused_with_its_place(tmp_path: Path, policy: Any, problem: str) -> None:
    path = written(tmp_path, policy)
    with pytest.raises(PolicyError, match=problem) as caught:
        Gate(path, "translate")
    assert str(path) in str(caught.value)


def test_a_policy_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.load(tmp_path / "none.yaml")


async def test_callers_are_known_by_token_or_certificate(tmp_path: Path) -> None:
    gate = Gate(written(tmp_path), "translate")
    assert await gate.identify(bearer(token(KEY)), ()) == Caller("construction", "bureau")
    assert await gate.identify((), ("else", "jobs.example")) == Caller("night-jobs", batch_only=True)
    with pytest.raises(TokenMissingError):
        await gate.identify((), ("stranger.example",))
    with pytest.raises(UnknownCallerError):
        await gate.identify(bearer(token(KEY, sub="someone")), ())


async def test_without_a_policy_everyone_is_let_in() -> None:
    gate = Gate(None, "translate")
    assert await gate.identify((), ()) is ANONYMOUS
    gate.authorize(ANONYMOUS, DETECT)
    gate.charge(ANONYMOUS, DETECT, 1e12, requests=1)


@pytest.mark.parametrize(
    ("caller", "function", "method", "allowed"),
    [
        ("construction", "translate", TRANSLATE, True),
        ("construction", "translate", DETECT, False),
        ("construction", "speech", TRANSLATE, False),
        ("night-jobs", "speech", DETECT, True),
        ("stranger", "translate", TRANSLATE, False),
    ],
)
def test_what_a_caller_may_do(tmp_path: Path, caller: str, function: str, method: str, allowed: bool) -> None:
    gate = Gate(written(tmp_path), function)
    if allowed:
        gate.authorize(Caller(caller), method)
        return
    with pytest.raises(NotAllowedError):
        gate.authorize(Caller(caller), method)
    with pytest.raises(NotAllowedError):
        gate.charge(Caller(caller), method, 1, requests=1)


@pytest.mark.parametrize("linked", [False, True], ids=["written", "swapped by a link"])
async def test_a_changed_policy_is_used_a_second_later(tmp_path: Path, linked: bool) -> None:
    clock = Clock()
    path = written(tmp_path)
    if linked:
        (tmp_path / "v1").mkdir()
        path = path.rename(tmp_path / "v1" / "policy.yaml")
        (tmp_path / "now").symlink_to("v1")
        (tmp_path / "v1" / "jwks.json").write_text(jwks(k1=KEY))
        path = tmp_path / "now" / "policy.yaml"
    gate = Gate(path, "translate", clock=clock)
    fresh = changed(allow=[{"service": "translate", "methods": ["DetectLanguage"]}])
    if linked:
        (tmp_path / "v2").mkdir()
        written(tmp_path / "v2", fresh)
        (tmp_path / "next").symlink_to("v2")
        (tmp_path / "next").replace(tmp_path / "now")
    else:
        written(tmp_path, fresh)
    caller = await gate.identify(bearer(token(KEY)), ())
    gate.authorize(caller, TRANSLATE)
    clock.now += 1
    caller = await gate.identify(bearer(token(KEY)), ())
    gate.authorize(caller, DETECT)
    with pytest.raises(NotAllowedError):
        gate.authorize(caller, TRANSLATE)


async def test_a_broken_policy_leaves_the_old_one_and_is_told_once(tmp_path: Path) -> None:
    structlog.reset_defaults()
    clock = Clock()
    path = written(tmp_path)
    gate = Gate(path, "translate", clock=clock)
    path.write_text("callers: [")
    with capture_logs() as logs:
        for _ in range(3):
            clock.now += 1
            assert await gate.identify(bearer(token(KEY)), ())
        os.truncate(path, 0)
        path.unlink()
        clock.now += 1
        assert await gate.identify(bearer(token(KEY)), ())
    assert [entry["event"] for entry in logs] == ["policy_rejected", "policy_rejected"]
    assert "no YAML" in logs[0]["problem"]


RULE = Rule(service="translate", requests_per_minute=2, requests_per_day=100, units_per_minute=600)


def test_a_quota_is_used_up_and_fills_again() -> None:
    clock = Clock()
    quotas = Quotas(clock=clock)
    for _ in range(2):
        quotas.charge("a", RULE, requests=1, units=10)
    with pytest.raises(QuotaExceededError) as caught:
        quotas.charge("a", RULE, requests=1, units=10)
    assert caught.value.metadata == {"limit": "2", "unit": "requests", "period": "minute"}
    assert caught.value.retry_after_s == 30
    quotas.charge("b", RULE, requests=1, units=10)
    clock.now += 29
    with pytest.raises(QuotaExceededError):
        quotas.charge("a", RULE, requests=1, units=10)
    clock.now += 1
    quotas.charge("a", RULE, requests=1, units=10)


def test_all_quotas_are_charged_or_none() -> None:
    clock = Clock()
    quotas = Quotas(clock=clock)
    with pytest.raises(QuotaExceededError) as caught:
        quotas.charge("a", RULE, requests=1, units=601)
    assert (caught.value.metadata["unit"], caught.value.retry_after_s) == ("units", None)
    for _ in range(2):
        quotas.charge("a", RULE, requests=1, units=300)
    clock.now += 30
    with pytest.raises(QuotaExceededError) as caught:
        quotas.charge("a", RULE, requests=1, units=400)
    assert caught.value.retry_after_s == 10
    quotas.charge("a", RULE, requests=1, units=300)


def test_rules_for_the_same_service_are_counted_apart() -> None:
    clock = Clock()
    quotas = Quotas(clock=clock)
    large = Rule(service="translate", methods=("TranslateText",), units_per_day=1_000)
    small = Rule(service="translate", methods=("DetectLanguage",), units_per_day=10)
    quotas.charge("a", large, requests=1, units=950)
    quotas.charge("a", small, requests=1, units=0)
    with pytest.raises(QuotaExceededError):
        quotas.charge("a", large, requests=1, units=100)


@pytest.mark.parametrize(("correction", "fits"), [(0, False), (200, False), (-100, False), (-200, True), (-900, True)])
def test_units_are_corrected_afterwards(correction: float, fits: bool) -> None:
    quotas = Quotas(clock=Clock())
    quotas.charge("a", RULE, requests=1, units=500)
    quotas.correct("a", RULE, correction)
    with contextlib.nullcontext() if fits else pytest.raises(QuotaExceededError):
        quotas.charge("a", RULE, requests=1, units=300)


def test_messages_of_a_stream_cost_units_only() -> None:
    quotas = Quotas(clock=Clock())
    quotas.charge("a", RULE, requests=1, units=10)
    for _ in range(50):
        quotas.charge("a", RULE, requests=0, units=10)


def test_a_day_is_counted_too() -> None:
    clock = Clock()
    quotas = Quotas(clock=clock)
    rule = Rule(service="*", requests_per_day=24)
    for _ in range(24):
        quotas.charge("a", rule, requests=1, units=0)
    with pytest.raises(QuotaExceededError) as caught:
        quotas.charge("a", rule, requests=1, units=0)
    assert caught.value.retry_after_s == 3_600
    clock.now += 3_600
    quotas.charge("a", rule, requests=1, units=0)


def test_a_lower_limit_holds_at_once_and_forgotten_callers_leave_nothing() -> None:
    quotas = Quotas(clock=Clock())
    for _ in range(5):
        quotas.charge("a", Rule(service="*", requests_per_minute=10), requests=1, units=0)
    with pytest.raises(QuotaExceededError):
        quotas.charge("a", Rule(service="*", requests_per_minute=3), requests=1, units=0)
    quotas.keep({"b"})
    assert not quotas._buckets
