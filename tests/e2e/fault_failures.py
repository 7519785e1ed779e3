"""Scenarios of faults.yaml about models, engines, disks and callers. Each gives what its caller was told."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml

from buhin.config import Settings
from buhin.models.store import ModelStore
from buhin.translate.v1 import translate_pb2
from tests.conftest import ROOT
from tests.e2e.fault_calling import (
    INSPECT,
    LARGE_PX,
    SMALL,
    TRANSLATE_TEXT,
    Told,
    calling,
    healthy,
    inspect,
    shout,
    told,
)
from tests.e2e.fault_inputs import png
from tests.processes import running
from tests.unit.serving.auth.issuing import AUDIENCE, ISSUER, SUBJECT, jwks, rsa_key, token


def engine_raises(folder: Path) -> Told:
    """An engine with a fault."""
    with running(SMALL) as process, calling(process) as channel:
        call = shout(channel, "raise", later=True)
        found = told(call.result)
        assert "secret" not in str(call.details()) + str(call.trailing_metadata()) + process.log
        assert process.wait_for("internal_error")["error"] == "ZeroDivisionError"
        assert shout(channel, "a")
    return found


def kill_engine(folder: Path) -> Told:
    """The process of the engine is killed while it inspects."""
    with running(INSPECT) as process, calling(process) as channel:
        first = process.engine_id
        large = inspect(channel, png(LARGE_PX, LARGE_PX), later=True)
        process.until("buhin_calls_in_progress", 1)
        time.sleep(1)
        os.kill(first, signal.SIGKILL)
        found = told(large.result)
        process.wait_for("engine_ready", count=2)
        assert inspect(channel, png(64, 64), timeout=60)
        assert process.is_running
        assert process.engine_id != first
        assert process.metric("buhin_engine_restarts_total") == 1
    return found


def sigterm(folder: Path) -> Told:
    """Asked to end while it works."""
    with running(SMALL) as process, calling(process) as channel:
        work = [shout(channel, "nap", later=True) for _ in range(5)]
        process.until("buhin_calls_in_progress", 5)
        process.terminate()
        found = {told(call.result) for call in work}
        assert process.wait() == 0
    (only,) = found
    return only


def _manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The manifest with the crack network changed, and the network beside it."""
    content = yaml.safe_load(Settings().manifest.read_text(encoding="utf-8"))
    (entry,) = [model for model in content["models"] if model["id"] == "crack-segmentation"]
    change(entry)
    shutil.copytree(Settings().manifest.parent / "crack-segmentation", folder / "crack-segmentation")
    path = folder / "manifest.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _unavailable(**settings: object) -> Told:
    with running(INSPECT, serves=False, **settings) as process, calling(process) as channel:
        found = told(lambda: inspect(channel, png(64, 64)))
        assert not healthy(process)
        assert process.is_running
    return found


def model_missing(folder: Path) -> Told:
    """An empty store."""
    return _unavailable(models_dir=folder)


def model_corrupt(folder: Path) -> Told:
    """A byte of the model is another."""
    model = ModelStore.from_settings(Settings()).open("crack-segmentation")
    shutil.copytree(model.path, folder / model.path.name)
    main = folder / model.path.name / model.main.name
    main.chmod(0o644)
    data = bytearray(main.read_bytes())
    data[len(data) // 2] ^= 1
    main.write_bytes(data)
    return _unavailable(models_dir=folder)


def wrong_digest(folder: Path) -> Told:
    """The store has the file of yesterday's manifest under today's name."""

    def change(entry: dict[str, Any]) -> None:
        entry["files"][0]["sha256"] = "0" * 64

    path = _manifest(folder, change)
    model = ModelStore.from_settings(Settings()).open("crack-segmentation")
    name = model.path.name.rpartition("-")[0] + "-" + "0" * 12
    shutil.copytree(model.path, folder / "models" / name)
    return _unavailable(models_dir=folder / "models", manifest=path)


def not_a_model(folder: Path) -> Told:
    """A file of text whose digest is right."""
    text = b"this is no network"

    def change(entry: dict[str, Any]) -> None:
        entry["files"][0] |= {"sha256": hashlib.sha256(text).hexdigest(), "size": len(text)}

    path = _manifest(folder, change)
    (folder / "crack-segmentation" / "crack.onnx").write_bytes(text)
    store = ModelStore.from_settings(Settings(manifest=path, models_dir=folder / "models"))
    store.pull("crack-segmentation", directory=folder / "crack-segmentation")
    return _unavailable(models_dir=folder / "models", manifest=path)


def reload_under_load(folder: Path) -> Told:
    """SIGHUP while a caller asks all the time."""
    with running(INSPECT) as process, calling(process) as channel:
        first = process.engine_id
        found: set[Told] = set()
        os.kill(process.process_id, signal.SIGHUP)
        while process.metric("buhin_engine_reloads_total", outcome="ok") == 0:
            found.add(told(lambda: inspect(channel, png(64, 64))))
        found.add(told(lambda: inspect(channel, png(64, 64))))
        process.wait_for("engine_ready", count=2)
        while len(psutil.Process(process.process_id).children()) > 1:
            time.sleep(0.01)
        assert process.engine_id != first
    (only,) = found
    return only


def bad_reload(folder: Path) -> Told:
    """A new manifest names a model that cannot be had; SIGHUP asks for it."""
    path = _manifest(folder, lambda entry: None)
    own = ModelStore.from_settings(Settings()).open("crack-segmentation").path
    shutil.copytree(own, folder / "models" / own.name)
    with running(INSPECT, models_dir=folder / "models", manifest=path) as process, calling(process) as channel:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for model in content["models"]:
            model["files"][0]["sha256"] = "1" * 64
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        os.kill(process.process_id, signal.SIGHUP)
        process.wait_for("reload_failed")
        assert healthy(process)
        return told(lambda: inspect(channel, png(64, 64)))


def _limited(command: list[str], size: int, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``buhin`` where no file may grow beyond a size, as on a full disk."""
    code = (
        f"import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}));"
        "from buhin.cli.main import main; sys.argv[0] = 'buhin'; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *command],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | environment,
        timeout=120,
    )


def store_full(folder: Path) -> Told:
    """No room for the crack network."""
    command = ["models", "pull", "crack-segmentation"]
    ran = _limited(command, 100_000, folder, BUHIN_MODELS_DIR=str(folder / "models"))
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    left = [path for path in (folder / "models").rglob("*") if path.is_file() and path.stat().st_size]
    assert not left
    assert "error SOURCE_FAILED" in ran.stderr, ran.stderr
    return "UNAVAILABLE", "SOURCE_FAILED"


def state_full(folder: Path) -> Told:
    """No room for the database of a pipeline."""
    photos, out = ROOT / "samples" / "concrete", folder / "out"
    command = ["pipeline", "run", "crack_survey", str(photos), "--out", str(out)]
    ran = _limited(command, 4_096, folder, BUHIN_STATE_DIR=str(folder / "state"))
    assert ran.returncode == 1, ran
    assert "Traceback" not in ran.stderr, ran.stderr
    assert "RUN_FAILED" in ran.stderr, ran.stderr
    return "ABORTED", "RUN_FAILED"


KEY = rsa_key()


def _closed(folder: Path, written: str | None, *, calls: int = 1, method: str = TRANSLATE_TEXT) -> Told:
    """A service with a policy, asked with a token."""
    (folder / "jwks.json").write_text(jwks(k1=KEY))
    issuer = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": "jwks.json", "scope": "buhin.{function}"}
    allow = [{"service": "translate", "methods": ["TranslateText"], "requests_per_minute": 2}]
    callers = [{"name": "construction", "subject": SUBJECT, "allow": allow}]
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({"issuers": [issuer], "callers": callers}))
    metadata = (("authorization", f"Bearer {written}"),) if written else ()
    request = translate_pb2.TranslateTextRequest(contents=["a"]).SerializeToString()
    with running(SMALL, policy=path) as process, calling(process) as channel:
        call: Any = channel.unary_unary(method)
        for _ in range(calls - 1):
            call(request, metadata=metadata)
        found = told(lambda: call(request, metadata=metadata))
        assert process.metric("buhin_work_units_total") == calls - 1
    return found


def _token(**claims: Any) -> str:
    return token(KEY, **({"scope": "buhin.translate"} | claims))


def token_absent(folder: Path) -> Told:
    """Nothing to show."""
    return _closed(folder, None)


def token_expired(folder: Path) -> Told:
    """Yesterday's token."""
    return _closed(folder, _token(exp=int(time.time()) - 3_600))


def token_audience(folder: Path) -> Told:
    """A token for another system."""
    return _closed(folder, _token(aud="mail"))


def token_scope(folder: Path) -> Told:
    """A token for another service."""
    return _closed(folder, _token(scope="buhin.speech"))


def token_none(folder: Path) -> Told:
    """A token that says that it needs no signature."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "exp": 2**40, "scope": "buhin.translate"}
    parts = ({"alg": "none"}, claims)
    written = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return _closed(folder, ".".join([*written, ""]))


def token_forged(folder: Path) -> Told:
    """A token that somebody else signed."""
    return _closed(folder, token(rsa_key(), scope="buhin.translate"))


def caller_unknown(folder: Path) -> Told:
    """A good token of somebody whom the policy does not name."""
    return _closed(folder, _token(sub="somebody"))


def method_denied(folder: Path) -> Told:
    """A method that the policy does not give."""
    return _closed(folder, _token(), method="/buhin.translate.v1.TranslateService/ListLanguages")


def quota_used(folder: Path) -> Told:
    """The third request of two a minute."""
    return _closed(folder, _token(), calls=3)
