"""`buhin bundle` as a person uses it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from buhin.cli.bundle import app
from buhin.config import PORTS
from tests import bundles
from tests.bundles import Layout, layer
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout of small pieces: what every service needs, and a store whose one model all of them use."""
    shop = bundles.workshop(tmp_path / "checkout")
    for service in PORTS:
        (shop.folder / "sbom" / f"{service}.cdx.json").write_text("{}", encoding="utf-8")
        folder = shop.folder / "images" / f"buhin-{service.replace('_', '-')}"
        if not folder.exists():
            made = Layout(folder)
            made.write(made.image(bundles.BASE, layer("app", service.encode())))
    manifest = yaml.safe_dump({"models": [shop.inputs.store.entry("tiny").model_dump(mode="json")]})
    (tmp_path / "models.yaml").write_text(manifest, encoding="utf-8")
    models = ("SPEECH", "SPEAKER", "TEXT", "EMBEDDING", "IMAGE")
    settings = {
        "BUHIN_MODELS_DIR": str(shop.folder / "store"), "BUHIN_MANIFEST": str(tmp_path / "models.yaml"),
        "BUHIN_OFFLINE": "1", "BUHIN_LANG": "en", "COLUMNS": "200", "SOURCE_DATE_EPOCH": "1775034000",
        **{f"BUHIN_{name}_MODEL": "tiny" for name in models},
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("buhin.paths.checkout", lambda: shop.folder)
    monkeypatch.chdir(tmp_path)


def bundle(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


PLACES = [word for name in ("images", "wheels", "sbom") for word in (f"--{name}", f"checkout/{name}")]


def create(*more: str) -> Result:
    return bundle("create", "--sign", "site.key", *PLACES, *more)


def test_from_keys_to_an_import() -> None:
    keys = json.loads(bundle("keygen", "site", "--json").stdout)
    made = create()
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("buhin-0.1.0.bundle.tar: 0.1 MB; 2 chart, ")
    shown = bundle("inspect", "buhin-0.1.0.bundle.tar").stdout
    for told in (
        "buhin-image-inspect:0.1.0",
        "shared by several",
        "tiny",
        "signature: not checked",
        keys["fingerprint"],
    ):
        assert told in shown
    assert "signature: by this key; --verify" in bundle("inspect", "buhin-0.1.0.bundle.tar", "--key", "site.pub").stdout
    checked = bundle("inspect", "buhin-0.1.0.bundle.tar", "--key", "site.pub", "--verify")
    assert "signature: by this key, and every byte is right" in checked.stdout
    said = json.loads(bundle("inspect", "buhin-0.1.0.bundle.tar", "--json").stdout)
    assert (said["state"], said["services"], said["created"]) == ("unchecked", list(PORTS), "2026-04-01T09:00:00Z")
    placed = bundle("import", "buhin-0.1.0.bundle.tar", "--key", "site.pub", "--to", "in", "--models-dir", "models")
    assert placed.exit_code == 0, placed.output
    values = "--values in/chart/values/airgapped.yaml --set image.registry=YOUR_REGISTRY/PREFIX"
    assert f"helm install buhin in/chart/buhin-0.1.0.tgz {values}" in placed.stdout
    assert "pip install --no-index --find-links in/wheels 'buhin[bundle]'" in placed.stdout
    assert "tiny: models/tiny-" in placed.stdout
    again = bundle(
        "import", "buhin-0.1.0.bundle.tar", "--key", "site.pub", "--to", "in", "--models-dir", "models", "--json"
    )
    assert (json.loads(again.stdout)["written"], json.loads(again.stdout)["bundle"]) == ([], said["manifest_sha256"])


def test_json_of_create_and_what_was_left_out() -> None:
    bundle("keygen", "site")
    made = json.loads(create("--service", "speech", "--without", "images", "--without", "chart", "--json").stdout)
    assert set(made["members"]) == {"licence", "sbom", "wheel", "model"}
    assert "left out: chart\nleft out: images" in bundle("inspect", made["path"]).stdout
    assert json.loads(bundle("inspect", made["path"], "--json").stdout)["manifest_sha256"] == made["manifest_sha256"]


def test_what_is_missing_is_listed_in_full() -> None:
    bundle("keygen", "site")
    made = bundle("create", "--sign", "site.key")
    assert made.exit_code == 1
    assert re.findall(r"^- (\S+?):? ", made.stderr, re.MULTILINE) == [
        "checkout/out/wheels", "checkout/out/sbom", "checkout/out/images"
    ]  # fmt: skip
    assert "BUNDLE_INPUT: the bundle cannot be made: licences, sbom, wheels, images are missing" in made.stderr
    assert not Path("buhin-0.1.0.bundle.tar").exists()


def test_an_archive_is_replaced_only_when_asked() -> None:
    bundle("keygen", "site")
    create()
    refused = create()
    assert (refused.exit_code, "--force" in refused.stderr) == (1, True)
    assert create("--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create", "--sign", "site.key", "--service", "speach"), "speach; accepted: speech, summarize, translate"),
        (("create", "--sign", "site.key", "--without", "image"), "accepted: chart, images, models, wheels"),
        (("create", "--sign", "site.key", "--model", "huge"), "there is no model huge in the manifest; known: tiny"),
        (("create", "--sign", "none.key", "--force"), "No such file or directory: 'none.key'"),
        (("inspect", "a.tar", "--verify"), "--key is required"),
        (("import", "a.tar", "--key", "site.pub", "--to", "in"), "BUNDLE_CORRUPT"),
        (("import", "a.tar", "--key", "site.key", "--to", "in"), "BUNDLE_KEY"),
        (("import", "models.yaml", "--key", "site.pub", "--to", "in"), "BUNDLE_UNREADABLE"),
        (("import", "a.tar", "--key", "site.pub", "--to", "in", "--registry", "http://"), "accepted: HOST[:PORT]"),
    ],
)
def test_mistakes_are_told_in_a_line(arguments: tuple[str, ...], told: str) -> None:
    bundle("keygen", "site")
    create("--out", "a.tar")
    data = bytearray(Path("a.tar").read_bytes())
    data[-2000] ^= 1
    Path("a.tar").write_bytes(data)
    result = bundle(*arguments)
    assert result.exit_code == 1
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not Path("in").exists()


def test_an_import_asks_for_a_key() -> None:
    result = bundle("import", "a.tar", "--to", "in")
    assert result.exit_code == 2
    assert "--key" in result.stderr


def test_in_japanese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUHIN_LANG", "ja_JP.UTF-8")
    assert "秘密鍵" in bundle("keygen", "site").stdout
    create()
    assert "署名: 未確認" in bundle("inspect", "buhin-0.1.0.bundle.tar").stdout
    bundle("keygen", "other")
    refused = bundle("import", "buhin-0.1.0.bundle.tar", "--key", "other.pub", "--to", "in")
    assert "エラー BUNDLE_NOT_TRUSTED" in refused.stderr
    assert "信頼できません" in refused.stderr
    placed = bundle("import", "buhin-0.1.0.bundle.tar", "--key", "site.pub", "--to", "in", "--models-dir", "models")
    assert "次の手順" in placed.stdout


def test_a_passphrase_protects_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUHIN_BUNDLE_PASSPHRASE", "correct horse")
    bundle("keygen", "site")
    assert create().exit_code == 0
    monkeypatch.delenv("BUHIN_BUNDLE_PASSPHRASE")
    refused = create("--force")
    assert "BUHIN_BUNDLE_PASSPHRASE" in refused.stderr


def test_the_commands_of_the_page_run_as_they_stand(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "bundle.md").read_text(encoding="utf-8")
    commands = re.findall(r"^buhin bundle ([^#\n]+)", page, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["keygen", "create", "inspect", "import", "import"]
    (tmp_path / "checkout" / "out").mkdir()
    for name in ("images", "wheels", "sbom"):
        (tmp_path / "checkout" / name).rename(tmp_path / "checkout" / "out" / name)
    for command in commands[:-1]:
        ran = bundle(*shlex.split(command))
        assert ran.exit_code == 0, ran.output
    assert (tmp_path / "buhin-0.1.0" / "import.json").exists()
    assert commands[-1].startswith(commands[-2].strip() + " --registry ")


def first_time(folder: Path) -> subprocess.CompletedProcess[str]:
    """What the page says to do without buhin; pip installs into ``installed``."""
    page = (ROOT / "docs" / "bundle.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```sh\n(\(\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "PIP_TARGET": str(folder / "installed"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "HOME": str(folder),
    }  # fmt: skip
    return subprocess.run(["sh"], input=script, cwd=folder, env=environment, capture_output=True, text=True)


def append(folder: Path, *files: Path) -> None:
    """Add members that nobody signed."""
    with tarfile.open(folder / "buhin-0.1.0.bundle.tar", "a") as archive:
        for file in files:
            archive.add(file, f"wheels/{file.name}")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("", ""),
        ("foreign wheel", ""),
        ("replaced wheel", "FAILED"),
        ("folder of a wheel", "wheels/buhin-0.1.0-py3-none-any.whl"),
        ("other key", "Signature Verification Failure"),
        ("not empty", "mkdir"),
    ],
)
def test_the_first_time_only_wheels_that_were_signed_are_installed(tmp_path: Path, fault: str, told: str) -> None:
    bundle("keygen", "city")
    assert bundle("create", "--sign", "city.key", *PLACES).exit_code == 0
    (tmp_path / "foreign").mkdir()
    other = bundles.wheel(tmp_path / "foreign", "buhin", "0.1.0" if fault == "replaced wheel" else "9.0")
    match fault:
        case "foreign wheel" | "replaced wheel":
            append(tmp_path, other)
        case "folder of a wheel":
            (tmp_path / "buhin-0.1.0-py3-none-any.whl").mkdir()
            (tmp_path / "buhin-0.1.0-py3-none-any.whl" / "in").touch()
            append(tmp_path, tmp_path / "buhin-0.1.0-py3-none-any.whl")
        case "other key":
            bundle("keygen", "other")
            (tmp_path / "other.pub").replace(tmp_path / "city.pub")
        case "not empty":
            (tmp_path / "first").mkdir()
    ran = first_time(tmp_path)
    found = {path.name for path in tmp_path.glob("installed/*.dist-info")}
    if told:
        assert (ran.returncode != 0, found) == (True, set()), ran
        assert told in ran.stdout + ran.stderr
    else:
        assert (ran.returncode, found) == (0, {"buhin-0.1.0.dist-info"}), ran
