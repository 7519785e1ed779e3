"""Writes what is generated of the chart: ``python -m scripts.chart``; ``--check`` tells what is not of today.

- helm/README.md: every value, from the lines ``# --`` of values.yaml
- helm/values.schema.json: the settings of the services, from src/buhin/config.py
- helm/examples/*.yaml: the chart rendered with each file of helm/ci
- docs/deploying.md: the table of what other charts have, from helm/comparison.yaml
- helm/released with ``--release``: the chart as it stands and its cases, with which later ones are compared
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import SecretStr

from buhin.config import ImageSettings, SpeechSettings, TextSettings
from scripts import kube_tools

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm"
RELEASED = CHART / "released"
DEPLOYING = ROOT / "docs" / "deploying.md"
CASES = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
BY_THE_CHART = {
    "host", "port", "health_port", "metrics_port", "policy", "tls_certificate", "tls_key", "tls_client_ca",
    "models_dir", "manifest", "offline", "otlp_endpoint", "drain_s",
}  # fmt: skip
"""Settings that values of their own decide."""


def helm(*arguments: str | Path) -> str:
    """Run helm. Raises CalledProcessError, with what it said in ``stderr``."""
    command = [kube_tools.folder() / "helm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def render(
    *arguments: str | Path,
    values: Path | None = None,
    chart: Path = CHART,
    release: str = "buhin",
    namespace: str = "ai",
) -> str:
    """The objects of a release."""
    files: list[str | Path] = ["--values", values] if values else []
    return helm("template", release, chart, "--namespace", namespace, *files, *arguments)


def objects(text: str) -> list[dict[str, Any]]:
    """The objects of a rendered chart."""
    return [each for each in yaml.safe_load_all(text) if each]


def cases_of(released: Path) -> list[Path]:
    """The files of values that a released chart had."""
    return sorted(released.with_suffix("").glob("*.yaml"))


def example(case: str) -> str:
    """The objects of a case, without the certificates that helm makes anew each time."""
    text = render(values=CHART / "ci" / f"{case}.yaml")
    hidden = re.sub(
        r'^(  (?:ca\.crt|tls\.crt|tls\.key)): "?[A-Za-z0-9+/=]{64,}"?$', r"\1: bWFkZSBieSBoZWxt", text, flags=re.M
    )
    return f"# Rendered by python -m scripts.chart from helm/ci/{case}.yaml\n{hidden}"


def schema() -> str:
    """The schema with the settings of today."""
    whole = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    for settings in (SpeechSettings, TextSettings, ImageSettings):
        secret = {name for name, field in settings.model_fields.items() if _is_secret(field.annotation)}
        for name, about in settings.model_json_schema()["properties"].items():
            if name not in BY_THE_CHART | secret:
                kept = {key: value for key, value in about.items() if key not in {"title", "default", "format"}}
                found.setdefault(name, kept)
    whole["$defs"]["settings"]["properties"] = dict(sorted(found.items()))
    return json.dumps(whole, indent=2) + "\n"


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in get_args(annotation)


def readme() -> str:
    """The page of the values."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    oldest = chart["kubeVersion"].split("-")[0].strip(">=")
    rows = "".join(f"| `{name}` | {_shown(value)} | {text} |\n" for name, value, text in _documented())
    return f"""<!-- Written by python -m scripts.chart from values.yaml -->
# The chart `buhin` {chart["version"]}

{chart["description"]} Kubernetes {oldest} or newer. [How to deploy](../docs/deploying.md).

```
helm install buhin helm --namespace ai --create-namespace --values helm/ci/trial.yaml
helm test buhin --namespace ai
```

[`ci/`](ci) has values for five situations and [`examples/`](examples) what becomes of them. The schema refuses unknown
values; `settings` of a service are those of `src/buhin/config.py`.

| value | default | what it is |
|---|---|---|
{rows}"""


def _documented() -> Iterator[tuple[str, Any, str]]:
    """Path, default and text of each value with a text, in the order of the file."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    path: list[tuple[int, str]] = []
    said: list[str] = []
    for line in text.splitlines():
        if comment := re.match(r"\s*# -- (.*)", line):
            said = [comment[1]]
        elif key := re.match(r"( *)([\w-]+):", line):
            path = [(depth, name) for depth, name in path if depth < len(key[1])] + [(len(key[1]), key[2])]
            names = [name for _, name in path]
            value: Any = values
            for name in names:
                value = value[name]
            if said or (names[0] not in ("services", "classes") and (not isinstance(value, dict) or not value)):
                yield ".".join(names), value, " ".join(said)
            said = []


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text if len(text) <= 80 else text[:77] + '…'}`".replace("|", "\\|")


def deploying() -> str:
    """The page with the table of today."""
    found = yaml.safe_load((CHART / "comparison.yaml").read_text(encoding="utf-8"))
    charts = found["charts"]
    table = ["| | buhin | " + " | ".join(chart["name"] for chart in charts) + " |", "|---" * (len(charts) + 2) + "|"]
    for row in found["features"]:
        cells = [_answer(row[key]) for key in ("buhin", *(chart["key"] for chart in charts))]
        table.append(f"| {row['feature']} | {' | '.join(cells)} |")
    read = "; ".join(f"{c['name']}: {c['repository']}, {c['path']} {c['version']} ({c['commit']})" for c in charts)
    text = DEPLOYING.read_text(encoding="utf-8")
    opening, rest = re.split(r"(?<=helm/comparison\.yaml -->\n)", text)
    return f"{opening}{chr(10).join(table)}\n\nRead: {read}.\n{rest[rest.index('<!-- /comparison') :]}"


def _answer(cell: dict[str, str]) -> str:
    return f"partly: {cell['note']}" if cell["answer"] == "partly" else cell["answer"]


def generated() -> dict[Path, str]:
    """Every generated file and what should stand in it."""
    files = {CHART / "README.md": readme(), CHART / "values.schema.json": schema(), DEPLOYING: deploying()}
    return files | {CHART / "examples" / f"{case}.yaml": example(case) for case in CASES}


def main() -> None:
    """Write, or check."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--check", action="store_true", help="write nothing; exit status 1 where a file is not of today"
    )
    options.add_argument("--release", action="store_true", help="also keep the chart in helm/released")
    chosen = options.parse_args()
    (CHART / "values.schema.json").write_text(schema(), encoding="utf-8") if not chosen.check else None
    wrong = []
    for path, text in generated().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            wrong.append(str(path.relative_to(ROOT)))
            if not chosen.check:
                path.write_text(text, encoding="utf-8")
    if chosen.release:
        packed = Path(helm("package", CHART, "--destination", RELEASED).rpartition(": ")[2].strip())
        shutil.copytree(CHART / "ci", packed.with_suffix(""))
    if chosen.check and wrong:
        sys.exit(f"not of today: {', '.join(wrong)}; run: python -m scripts.chart")
    print("\n".join(wrong) or "all of today")


if __name__ == "__main__":
    main()
