"""docs/adding-a-service.md does what it says: its files, copied out of the page, are a running service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

FENCE = re.compile(r"^```(?:proto|python|yaml) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

CALLER = """
import asyncio, json, sys
import grpc
from google.protobuf.json_format import MessageToDict
from buhin.config import ServerSettings
from buhin.redact.v1 import redact_pb2, redact_pb2_grpc
from buhin.serving import Server
from buhin.status import decode_call
from services.redact.__main__ import application

async def main():
    async with Server(application(ServerSettings(port=0))) as server:
        await server.started()
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = redact_pb2_grpc.RedactServiceStub(channel)
            answers = []
            for text in ("連絡先は taro@example.jp か 03-1234-5678 です。", "こんにちは", " "):
                try:
                    answers.append(MessageToDict(await stub.Redact(redact_pb2.RedactRequest(text=text))))
                except grpc.RpcError as error:
                    answers.append(decode_call(error).reason)
    print(json.dumps(answers))

asyncio.run(main())
"""


def test_the_page_makes_a_running_service(tmp_path: Path) -> None:
    files = dict(FENCE.findall((ROOT / "docs" / "adding-a-service.md").read_text(encoding="utf-8")))
    assert len(files) == 6
    for name in ("src", "protos", "scripts", "tests"):
        (tmp_path / name).mkdir()
    copied = ["src/buhin", "protos/buhin", "scripts/generate_stubs.sh", "services/__init__.py"]
    subprocess.run(["cp", "-r", "--parents", *copied, tmp_path], cwd=ROOT, check=True)
    for name, content in files.items():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": f"{tmp_path / 'src'}{os.pathsep}{tmp_path}"}
    subprocess.run(["bash", "scripts/generate_stubs.sh"], cwd=tmp_path, env=environment, check=True)
    ran = subprocess.run(
        [sys.executable, "-c", CALLER], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    found, nothing, empty = json.loads(ran.stdout.splitlines()[-1])
    assert found["redactedText"] == "連絡先は ███████████████ か ████████████ です。"
    assert [(span["startChar"], span["endChar"]) for span in found["spans"]] == [(5, 20), (23, 35)]
    assert found["provenance"]["service"] == "buhin.redact.v1.RedactService"
    assert nothing["review"]["reasons"][0]["code"] == "NOTHING_FOUND"
    assert empty == "EMPTY_INPUT"
