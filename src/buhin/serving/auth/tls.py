"""TLS and mutual TLS, with certificates that are read anew when their files change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_log = structlog.get_logger("buhin.tls")


def credentials(certificate: Path, key: Path, client_ca: Path | None) -> grpc.ServerCredentials:
    """What a server listens with. New files are used from the next connection on; where they do not fit, the old ones
    stay and the log says so. With ``client_ca`` a client must show a certificate that it signed.

    Raises ValueError where the first files do not fit.
    """
    files = (certificate, key, *([client_ca] if client_ca else []))
    stamps = _stamps(files)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal stamps
        now = _stamps(files)
        if now == stamps:
            return None
        stamps = now
        try:
            fresh = _read(certificate, key, client_ca)
        except ValueError as error:
            _log.error("certificate_rejected", problem=str(error))
            return None
        _log.info("certificate_reloaded")
        return fresh

    first = _read(certificate, key, client_ca)
    with_client = client_ca is not None
    return grpc.dynamic_ssl_server_credentials(first, fetch, with_client)  # type: ignore[arg-type]  # None: no change


def certificate_names(auth_context: Mapping[str, Iterable[bytes]]) -> tuple[str, ...]:
    """The names in a client's certificate: alternative names (DNS, URI) and the common name; none without one."""
    if b"ssl" not in auth_context.get("transport_security_type", ()):
        return ()
    keys = ("x509_subject_alternative_name", "x509_common_name")
    return tuple(name.decode("utf-8", "replace") for key in keys for name in auth_context.get(key, ()))


def _read(certificate: Path, key: Path, client_ca: Path | None) -> grpc.ServerCertificateConfiguration:
    try:
        chain, secret = certificate.read_bytes(), key.read_bytes()
        roots = client_ca.read_bytes() if client_ca else None
        leaf = x509.load_pem_x509_certificates(chain)[0]
        own = load_pem_private_key(secret, password=None).public_key()
        if roots is not None:
            x509.load_pem_x509_certificates(roots)
    except OSError as error:
        raise ValueError(f"{error.filename} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{certificate}, {key} or {client_ca} is no PEM that can be used") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*form) != own.public_bytes(*form):
        raise ValueError(f"{key} is not the key of {certificate}")
    return grpc.ssl_server_certificate_configuration([(secret, chain)], root_certificates=roots)


def _stamps(files: Sequence[Path]) -> tuple[tuple[int, int] | None, ...]:
    return tuple((path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else None for path in files)
