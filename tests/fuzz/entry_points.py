"""Bytes into everything that reads what callers send, guided by coverage (atheris, on libFuzzer).

``python -m tests.fuzz.entry_points TARGET SECONDS`` tries one target. Anything but an error of the house is a finding:
it is printed, with the bytes, and the exit code is not 0.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_BYTES = 4_096
RSS_LIMIT_MIB = 2_048
LONGEST_S = 20
"""An input that takes longer is a finding."""


def audio(data: bytes) -> None:
    """A recording, as the service reads one."""
    from buhin.engine import Stop
    from services.speech import audio as reading

    source = reading.sniff(data)
    reading.length(source, 30, Stop())
    for _ in reading.samples(source):
        pass


def image(data: bytes) -> None:
    """A photograph, and what is said in it."""
    from buhin.config import ImageSettings
    from services.image_inspect import metadata, photo

    photo.pixels(data)
    photo.decode(photo.check(data, ImageSettings(max_pixels=200_000)))
    metadata.read(data)


def text(data: bytes) -> None:
    """A text, and a document of each kind."""
    from buhin import documents
    from buhin.text import checks, injection, languages, sentences

    written = data.decode("utf-8", "replace")
    checks.require_text(written, "text")
    assert "".join(span.of(written) for span in sentences.split(written)).strip() or not written.strip()
    languages.detect(written)
    injection.looks_like_an_instruction(written)
    kind = sorted(documents.SUFFIXES)[len(data) % len(documents.SUFFIXES)]
    with tempfile.NamedTemporaryFile(suffix=kind) as file:
        file.write(data)
        file.flush()
        documents.read(Path(file.name))


TARGETS: dict[str, Callable[[bytes], None]] = {"audio": audio, "image": image, "text": text}


def seeds(target: str) -> list[bytes]:
    """Small files to begin with."""
    from tests.e2e import fault_inputs as inputs

    if target == "audio":
        return [
            inputs.wav(bytes(800)),
            inputs.floats(0.0)[:3_000],
            inputs.speech()[:4_000],
            b"OggS" + bytes(60),
            b"ID3",
        ]
    if target == "image":
        from PIL import Image

        small = inputs.cracked().resize((40, 40))
        kinds: list[tuple[str, dict[str, Any]]] = [("JPEG", {}), ("PNG", {}), ("TIFF", {}), ("WEBP", {})]
        return [inputs.saved(small, kind, **options) for kind, options in kinds] + [
            inputs.saved(Image.new("I;16", (40, 40)), "PNG")
        ]
    subtitle = "1\n00:00:01,000 --> 00:00:02,000\n窓口は二階です。\n"
    return [each.encode() for each in ("窓口は二階です。", "# A\n\n- *b* [c](d)\n", subtitle, "WEBVTT\n\n" + subtitle)]


def run(target: str, seconds: int) -> dict[str, Any]:
    """Try a target in a process of its own; executions, edges covered and what was found."""
    with tempfile.TemporaryDirectory() as corpus, tempfile.TemporaryDirectory() as found:
        for number, seed in enumerate(seeds(target)):
            (Path(corpus) / str(number)).write_bytes(seed)
        ran = subprocess.run(
            [
                sys.executable, "-m", "tests.fuzz.entry_points", "--child", target,
                f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-rss_limit_mb={RSS_LIMIT_MIB}",
                f"-timeout={LONGEST_S}", "-print_final_stats=1", f"-artifact_prefix={found}/", corpus,
            ],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + 120,
        )  # fmt: skip
        crashes = [path.read_bytes().hex() for path in Path(found).iterdir()]
    executions = re.findall(r"stat::number_of_executed_units: (\d+)", ran.stderr)
    edges = re.findall(r"cov: (\d+)", ran.stderr)
    return {
        "target": target,
        "seconds": seconds,
        "executions": int(executions[-1]) if executions else 0,
        "edges": int(edges[-1]) if edges else 0,
        "exit_code": ran.returncode,
        "crashes": crashes,
        "said": ran.stderr[-3_000:] if ran.returncode else "",
    }


def _child(target: str, arguments: list[str]) -> None:
    import atheris  # type: ignore[import-untyped]  # it ships no types

    with atheris.instrument_imports(include=["buhin", "services"]):
        for seed in seeds(target):
            with contextlib.suppress(Exception):
                TARGETS[target](seed)
    from buhin.errors import BuhinError

    def one(data: bytes) -> None:
        with contextlib.suppress(BuhinError):
            TARGETS[target](data)

    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        _child(sys.argv[2], sys.argv[3:])
    else:
        result = run(sys.argv[1], int(sys.argv[2]))
        json.dump(result, sys.stdout, indent=1)
        sys.exit(bool(result["crashes"]) or result["exit_code"])
