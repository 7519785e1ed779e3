"""What goes into a bundle: all of it, each blob once, nothing that is not known, and what is missing told."""

from __future__ import annotations

import dataclasses
import json
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from buhin import errors
from buhin.bundle import chart, images
from buhin.bundle.contents import MODELS, gather, models_of
from buhin.bundle.manifest import BLOBS, Kind
from tests import bundles
from tests.bundles import BASE, Layout, Workshop, layer, sha256


def content(shop: Workshop, **changes: Any) -> dict[str, bytes]:
    """What would be in the bundle, by path."""
    found = {}
    for piece in gather(dataclasses.replace(shop.inputs, **changes)):
        with piece.open() as file:
            found[piece.member.path] = file.read()
        assert (sha256(found[piece.member.path]), len(found[piece.member.path])) == (
            piece.member.sha256,
            piece.member.size,
        )
    return found


def test_everything_is_there_once(workshop: Workshop) -> None:
    found = content(workshop)
    assert [path for path in found if not path.startswith(BLOBS)] == [
        "chart/buhin-0.1.0.tgz",
        "chart/values/airgapped.yaml",
        "licences/LICENSE",
        "licences/buhin-0.1.0/licenses/LICENSE",
        "licences/shared-2.0/LICENSE.txt",
        "licences/shared-2.0/licenses/LICENSE",
        "sbom/speech.cdx.json",
        "sbom/translate.cdx.json",
        "wheels/buhin-0.1.0-py3-none-any.whl",
        "wheels/heard-1.1-py3-none-any.whl",
        "wheels/shared-2.0-py3-none-any.whl",
        "images/index.json",
        "images/oci-layout",
        "models/manifest.yaml",
        "models/tiny/config/model.json",
        "models/tiny/weights.bin",
    ]
    assert found["licences/shared-2.0/LICENSE.txt"] == b"MIT too\n"
    assert models_of(found[MODELS]).models == [workshop.inputs.store.entry("tiny")]
    blobs = [path for path in found if path.startswith(BLOBS)]
    assert len(blobs) == 7  # two manifests, two configurations, a layer each, and one that they share
    assert found[BLOBS + sha256(BASE)] == BASE
    assert json.loads(found["images/oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    listed = json.loads(found["images/index.json"])["manifests"]
    assert [each["annotations"]["org.opencontainers.image.ref.name"] for each in listed] == [
        "buhin-speech:0.1.0", "buhin-translate:0.1.0"
    ]  # fmt: skip


def test_members_say_what_they_are(workshop: Workshop) -> None:
    said = {piece.member.path: piece.member for piece in gather(workshop.inputs)}
    wheel = said["wheels/shared-2.0-py3-none-any.whl"]
    assert (wheel.name, wheel.version, wheel.licence) == ("shared", "2.0", "MIT")
    assert said[BLOBS + sha256(BASE)].name == "buhin-speech:0.1.0, buhin-translate:0.1.0"
    manifests = [each for each in said.values() if each.media_type == bundles.MANIFEST_TYPE]
    assert {(each.name, each.licence) for each in manifests} == {
        ("buhin-speech:0.1.0", "Apache-2.0"), ("buhin-translate:0.1.0", "Apache-2.0")
    }  # fmt: skip
    assert said["models/tiny/weights.bin"].licence == "MIT"


def test_only_what_the_services_need(workshop: Workshop) -> None:
    found = content(workshop, services=("translate",), whole=False)
    assert [path for path in found if path.startswith(("wheels/", "sbom/"))] == [
        "sbom/translate.cdx.json", "wheels/buhin-0.1.0-py3-none-any.whl", "wheels/shared-2.0-py3-none-any.whl"
    ]  # fmt: skip
    assert b"speech" not in found["images/index.json"]
    assert len([path for path in found if path.startswith(BLOBS)]) == 4


def test_what_runs_pipelines_comes_with_all_services_and_nothing_else_does(workshop: Workshop) -> None:
    for name in ("worker", "base", "build"):
        made = Layout(workshop.folder / "images" / f"buhin-{name}")
        made.write(made.image(layer("app", name.encode())))
        wheel = bundles.wheel(workshop.folder / "wheels", f"for_{name}", "1.0")
        (workshop.folder / "requirements" / f"{name}.txt").write_text(bundles.lock(wheel), encoding="utf-8")
    gpu = Layout(workshop.folder / "images" / "buhin-speech-gpu")
    gpu.write(gpu.image(BASE))

    def names(**changes: Any) -> tuple[list[str], list[str]]:
        found = content(workshop, **changes)
        listed = json.loads(found["images/index.json"])["manifests"]
        refs = [each["annotations"]["org.opencontainers.image.ref.name"].partition(":")[0] for each in listed]
        return sorted(refs), [path for path in found if path.startswith("wheels/for_")]

    assert names() == (
        ["buhin-speech", "buhin-speech-gpu", "buhin-translate", "buhin-worker"],
        ["wheels/for_worker-1.0-py3-none-any.whl"],
    )
    assert names(whole=False, services=("speech",)) == (["buhin-speech", "buhin-speech-gpu"], [])


@pytest.mark.parametrize("kind", ["chart", "image", "model", "wheel", "licence", "sbom"])
def test_a_kind_can_be_left_out(workshop: Workshop, kind: Kind) -> None:
    left = {piece.member.kind for piece in gather(dataclasses.replace(workshop.inputs, without=frozenset({kind})))}
    assert left == {"chart", "image", "model", "wheel", "licence", "sbom"} - {kind}


def _remove(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).rename(folder.parent / "gone")

    return change


def _spoil(pattern: str, data: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for path in folder.glob(pattern):
            path.write_bytes(data)

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_remove("helm"), "helm: it is no folder of a chart (or --without chart)"),
        (_remove("helm/Chart.yaml"), "no chart: Chart.yaml"),
        (_spoil("helm/Chart.yaml", b"name: ../evil\nversion: 1\n"), "must not be paths"),
        (_spoil("helm/values.yaml", bytes(6 << 20)), "values.yaml is no plain file of at most 5 MiB"),
        (_remove("sbom/speech.cdx.json"), "no bill of materials of speech; run: make sbom (or --without sbom)"),
        (_remove("wheels/heard-1.1-py3-none-any.whl"), "lacks 1 wheels by the digests of the locks, heard==1.1 first"),
        (_remove("wheels/buhin-0.1.0-py3-none-any.whl"), "buhin==0.1.0 first; run: make wheels (or --without wheels)"),
        (_spoil("wheels/heard*", b"changed"), "lacks 1 wheels by the digests of the locks, heard==1.1 first"),
        (_remove("images/buhin-speech"), "no image buhin-speech; run: make images (or --without images)"),
        (_remove(f"images/buhin-speech/blobs/sha256/{sha256(BASE)}"), f"sha256:{sha256(BASE)} is missing or not whole"),
        (_spoil(f"images/buhin-speech/blobs/sha256/{sha256(BASE)}", BASE[:-1]), "is missing or not whole"),
        (_spoil("images/buhin-speech/index.json", b"{}"), "index.json cannot be read"),
        (_spoil("images/*/blobs/sha256/*", b"{"), "buhin-speech is not a whole OCI image layout"),
        (_remove("images/buhin-speech/index.json"), "index.json cannot be read"),
    ],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_told(workshop: Workshop, change: Callable[[Path], None], told: str) -> None:
    change(workshop.folder)
    with pytest.raises(errors.BundleInputError) as caught:
        gather(workshop.inputs)
    assert told in caught.value.message
    assert not caught.value.message_ja.isascii()


def test_everything_that_is_missing_is_told_at_once(workshop: Workshop) -> None:
    for name in ("helm", "sbom/speech.cdx.json", "wheels/heard-1.1-py3-none-any.whl"):
        (workshop.folder / name).rename(workshop.folder / "gone")
        if (workshop.folder / "gone").is_file():
            (workshop.folder / "gone").unlink()
        else:
            (workshop.folder / "gone").rename(workshop.folder / "chart-that-is-gone")
    with pytest.raises(errors.BundleInputError) as caught:
        gather(workshop.inputs)
    assert "chart, licences, sbom, wheels are missing or not whole" in caught.value.message
    assert len(caught.value.causes) == 3


def test_a_model_that_is_not_in_the_store(workshop: Workshop, tmp_path: Path) -> None:
    (workshop.folder / "store").rename(tmp_path / "gone")
    with pytest.raises(errors.ModelMissingError, match="buhin models pull tiny"):
        gather(workshop.inputs)


def test_a_damaged_model_makes_no_bundle(workshop: Workshop) -> None:
    path = workshop.inputs.store.path("tiny") / "weights.bin"
    path.write_bytes(path.read_bytes().replace(b"w", b"W", 1))
    with pytest.raises(errors.BundleInputError, match=r"models/tiny/weights\.bin"):
        workshop.make()
    assert list(workshop.folder.glob("*.tar*")) == []


def test_a_damaged_layer_makes_no_bundle(workshop: Workshop) -> None:
    for path in workshop.folder.glob(f"images/*/blobs/sha256/{sha256(BASE)}"):
        path.write_bytes(BASE[:-1] + b"x")
    with pytest.raises(errors.BundleInputError, match=sha256(BASE)):
        workshop.make()
    assert list(workshop.folder.glob("*.tar*")) == []


@pytest.mark.parametrize(
    ("folder", "ref", "expected"),
    [
        ("buhin-speech", None, "buhin-speech:7"),
        ("buhin-speech", "8", "buhin-speech:8"),
        ("buhin-speech", "buhin-speech:9", "buhin-speech:9"),
        ("other", "registry.example:5000/city/buhin-speech:9", "buhin-speech:9"),
    ],
)
def test_what_an_image_is_called(tmp_path: Path, folder: str, ref: str | None, expected: str) -> None:
    made = Layout(tmp_path / folder)
    made.write(made.image(BASE), ref=ref)
    assert images.merge(tmp_path, lambda name: name == "buhin-speech", "7").names == (expected,)
    assert images.merge(tmp_path, lambda name: False, "7").names == ()


def test_an_image_for_several_machines_comes_whole(tmp_path: Path) -> None:
    made = Layout(tmp_path / "buhin-speech")
    first, second = made.image(BASE, layer("a", b"1")), made.image(BASE, layer("a", b"2"))
    made.write(made.index(first, second))
    merged = images.merge(tmp_path, lambda name: True, "1")
    assert len(merged.blobs) == 1 + 2 + 2 + 3
    assert merged.names == ("buhin-speech:1",)


@pytest.mark.parametrize(
    ("ref", "media_type", "told"),
    [
        ("Buhin:1", bundles.MANIFEST_TYPE, "no image that a registry takes"),
        ("buhin:1/../2", bundles.MANIFEST_TYPE, "no image that a registry takes"),
        ("buhin:1", "application/json", "no image that a registry takes"),
    ],
)
def test_what_no_registry_takes(tmp_path: Path, ref: str, media_type: str, told: str) -> None:
    made = Layout(tmp_path / "Odd")
    made.write(made.image(BASE) | {"mediaType": media_type}, ref=ref)
    with pytest.raises(errors.BundleInputError, match=told):
        images.merge(tmp_path, lambda name: True, "1")


def test_two_images_of_one_name(tmp_path: Path) -> None:
    for folder, data in (("a", b"1"), ("b", b"2")):
        made = Layout(tmp_path / folder)
        made.write(made.image(layer("x", data)), ref="buhin:1")
    with pytest.raises(errors.BundleInputError, match="two images buhin:1"):
        images.merge(tmp_path, lambda name: True, "1")


def test_a_chart_is_packed_as_helm_does_and_the_same_twice(tmp_path: Path) -> None:
    ignored = "# comment\n*.bak\nci/\n/examples\ntemplates/tests/*.txt\n!keep.bak\n"
    files = {
        ".helmignore": ignored, "a.bak": "", "keep.bak": "", "ci/one.yaml": "", "ci.yaml": "", "examples/x.yaml": "",
        "templates/tests/a.txt": "", "templates/tests/call.yaml": "", "templates/.hidden": "", "sub/ci/two.yaml": "",
        "charts/sub/Chart.yaml": "name: sub\n",
    }  # fmt: skip
    packed = chart.pack(bundles.chart(tmp_path / "helm", files))
    assert packed.file == "buhin-0.1.0.tgz"
    assert chart.pack(tmp_path / "helm") == packed
    with tarfile.open(fileobj=BytesIO(packed.data)) as tar:
        assert tar.getnames() == [
            "buhin/Chart.yaml", "buhin/.helmignore", "buhin/charts/sub/Chart.yaml", "buhin/ci.yaml", "buhin/keep.bak",
            "buhin/templates/service.yaml", "buhin/templates/tests/call.yaml", "buhin/values.yaml",
        ]  # fmt: skip
        assert all(info.isreg() and info.mtime == 0 and info.uid == 0 for info in tar)


def test_a_chart_with_a_link_is_refused(tmp_path: Path) -> None:
    folder = bundles.chart(tmp_path / "helm")
    (folder / "secret").symlink_to("/etc/passwd")
    with pytest.raises(errors.BundleInputError, match="secret is no plain file"):
        chart.pack(folder)
