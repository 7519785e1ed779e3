"""`buhin bundle`: make, look into and import the archive that a closed network needs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from buhin.cli import bundle_output as shown
from buhin.cli import output

if TYPE_CHECKING:
    from buhin.bundle.manifest import Kind
    from buhin.errors import BundleTargetError
    from buhin.models.store import ModelStore

app = typer.Typer(no_args_is_help=True, help="Bundles for closed networks: keygen, create, inspect, import.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The archive.")]


@app.command()
def keygen(
    name: Annotated[Path, typer.Argument(help="Path of the pair without a suffix: NAME.key and NAME.pub.")],
    as_json: AsJson = False,
) -> None:
    """Make a pair of keys: NAME.key signs bundles and stays here, NAME.pub goes to those who import them.

    BUHIN_BUNDLE_PASSPHRASE, where it is set, protects NAME.key.
    """
    from buhin.bundle import signing

    with output.reported():
        private, public, fingerprint = signing.generate(name, _passphrase())
    if as_json:
        output.print_json({"private": str(private), "public": str(public), "fingerprint": fingerprint})
        return
    say = output.say
    secret = say("signs bundles; keep it secret", "バンドルに署名する秘密鍵です。厳重に保管してください")
    given = say("give it to those who import, not together with the bundle", "バンドルとは別の経路で配布してください")
    typer.echo(f"{private}: {secret}")
    typer.echo(f"{public}: {given}")
    typer.echo(f"{say('fingerprint', 'フィンガープリント')}: {fingerprint}")


@app.command()
def create(
    sign: Annotated[Path, typer.Option("--sign", help="The private key, of `buhin bundle keygen`.")],
    out: Annotated[Path | None, typer.Option(help="The archive; by default buhin-VERSION.bundle.tar.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="A service; repeat it. All when none.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="A further model of the manifest; repeat it.")] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="What to leave out: chart, images, models, wheels, licences, sbom; repeat it."),
    ] = None,
    chart: Annotated[Path | None, typer.Option(help="Folder of the chart; by default helm.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of OCI image layouts, a folder each; by default out/images.")
    ] = None,
    wheels: Annotated[Path | None, typer.Option(help="Folder of wheels; by default out/wheels.")] = None,
    sbom: Annotated[Path | None, typer.Option(help="Folder of bills of materials; by default out/sbom.")] = None,
    force: Annotated[bool, typer.Option(help="Replace an archive that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a bundle of chart, images, models, wheels, licences and bills of materials, signed."""
    import os

    from buhin import __version__, paths
    from buhin.bundle import create as making
    from buhin.bundle import signing
    from buhin.bundle.contents import Inputs
    from buhin.config import Settings
    from buhin.errors import BundleInputError
    from buhin.models.store import ModelStore

    with output.reported():
        root = Path(os.path.relpath(paths.checkout() or Path.cwd()))
        services = _services(service)
        store = ModelStore.from_settings(Settings())
        inputs = Inputs(
            version=__version__,
            services=services,
            whole=not service,
            store=store,
            models=_models(services, model or [], store),
            chart=chart or root / "helm",
            images=images or root / "out" / "images",
            wheels=wheels or root / "out" / "wheels",
            requirements=root / "requirements",
            sbom=sbom or root / "out" / "sbom",
            licence=root / "LICENSE",
            without=_kinds(without or []),
        )
        target = out or Path(f"buhin-{__version__}.bundle.tar")
        if target.exists() and not force:
            raise _exists(target)
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        at = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC).replace(microsecond=0)
        key = signing.load_private(sign, _passphrase())
        try:
            with shown.bars() as bar:
                made = making.create(target, inputs, key, at, bar("write"))
        except BundleInputError as error:
            for cause in error.causes:
                typer.echo(f"- {output.say(cause.metadata['problem'], cause.metadata['problem_ja'])}", err=True)
            raise
    if as_json:
        output.print_json({"path": str(made.path), "manifest_sha256": made.digest, "members": made.counts})
    else:
        shown.created(made)


@app.command()
def inspect(
    bundle: Bundle,
    key: Annotated[Path | None, typer.Option(help="The public key that must have signed it.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check every byte too. Needs --key.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a bundle holds, and with --key whether it can be trusted."""
    from buhin.bundle import signing
    from buhin.bundle.archive import Archive
    from buhin.errors import MissingFieldError

    with output.reported():
        if verify and key is None:
            raise MissingFieldError(field="--key")
        with Archive(bundle) as archive:
            if key:
                archive.check_signature(signing.load_public(key))
            manifest = archive.manifest
            if verify:
                with shown.bars() as bar:
                    archive.verify(bar("verify"))
            state: shown.State = "verified" if verify else "signed" if key else "unchecked"
            if as_json:
                said = {"manifest_sha256": archive.digest, "state": state}
                output.print_json(said | manifest.model_dump(mode="json"))
            else:
                shown.contents(archive, state)


@app.command("import")
def import_(
    bundle: Bundle,
    to: Annotated[Path, typer.Option("--to", help="Folder for it; one of its own for each bundle.")],
    key: Annotated[Path, typer.Option(help="The public key that must have signed it.")],
    models_dir: Annotated[
        Path | None, typer.Option(help="The model store; by default BUHIN_MODELS_DIR or the user's cache.")
    ] = None,
    registry: Annotated[
        str | None, typer.Option(help="HOST[:PORT][/PREFIX] to push the images into, by HTTPS; http://… without.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="What to leave out: chart, images, models, wheels, licences, sbom; repeat it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify every byte of a bundle, then place it. Goes on where an earlier try stopped.

    Models go into the model store, everything else into the folder; with --registry the images go there. Nothing else
    is sent anywhere.
    """
    from buhin.bundle import signing
    from buhin.bundle.place import Target, place
    from buhin.bundle.registry import Registry
    from buhin.config import BundleSettings

    with output.reported():
        settings = BundleSettings()
        target = Target(
            folder=to,
            models=models_dir or settings.models_dir,
            registry=Registry.from_settings(registry, settings) if registry else None,
            without=_kinds(without or []),
        )
        with shown.bars() as bar:
            placed = place(bundle, signing.load_public(key), target, bar)
    if as_json:
        from dataclasses import asdict

        output.print_json(asdict(placed))
    else:
        shown.placed(placed, to, target.registry.prefix if target.registry else None)


def _passphrase() -> str | None:
    from buhin.config import BundleSettings

    found = BundleSettings().bundle_passphrase
    return found.get_secret_value() if found else None


def _services(asked: list[str] | None) -> tuple[str, ...]:
    from buhin.config import PORTS
    from buhin.errors import InvalidValueError

    for name in asked or []:
        if name not in PORTS:
            raise InvalidValueError(field="--service", value=name, accepted=", ".join(PORTS))
    return tuple(asked or PORTS)


def _kinds(folders: list[str]) -> frozenset[Kind]:
    from buhin.bundle.manifest import FOLDERS
    from buhin.errors import InvalidValueError

    known = {folder: kind for kind, folder in FOLDERS.items()}
    for name in folders:
        if name not in known:
            raise InvalidValueError(field="--without", value=name, accepted=", ".join(known))
    return frozenset(known[name] for name in folders)


def _models(services: tuple[str, ...], more: list[str], store: ModelStore) -> tuple[str, ...]:
    """The models that the settings of the services name, and more; in the order of the manifest."""
    from buhin.config import ImageSettings, SpeechSettings, TextSettings

    wanted = set(more)
    if "speech" in services:
        speech = SpeechSettings()
        wanted |= {speech.speech_model, speech.speaker_model}
    if {"summarize", "translate"} & set(services):
        text = TextSettings()
        wanted |= {text.embedding_model} | ({text.text_model} if text.text_engine != "openai" else set())
    if "image_inspect" in services:
        wanted.add(ImageSettings().image_model)
    for model_id in wanted:
        store.entry(model_id)
    return tuple(model_id for model_id in store.ids if model_id in wanted)


def _exists(path: Path) -> BundleTargetError:
    from buhin.errors import BundleTargetError

    return BundleTargetError(
        folder=path,
        problem="it is there already; --force replaces it",
        problem_ja="すでに存在します。--force で置き換えます",
    )
