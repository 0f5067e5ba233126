"""The certificates by which server, scheduler and nodes know each other: each side's is signed by one authority."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from distributed.security import Security

from jobrunner.domain.cluster import CONSENT, is_encrypted, is_loopback
from jobrunner.domain.errors import ConfigurationError, in_words
from jobrunner.domain.package import shown
from jobrunner.domain.settings_cluster import ClusterSettings
from jobrunner.files import secret

#: Days before the end of a certificate from which on it is told.
_SOON = 30
#: Bytes of a key.
_LONGEST_KEY = 65_536


def security(settings: ClusterSettings, home: Path) -> Security | None:
    """Return how we prove who we are; None where nothing is encrypted. Raises ConfigurationError where we cannot."""
    address = settings.address or ""
    if not is_encrypted(address):
        if not is_loopback(address) and settings.without_tls != CONSENT:
            raise ConfigurationError(
                f"cluster.address is {address}: nothing is encrypted there, and {CONSENT}; use tls:// with "
                f'cluster.tls_ca, tls_cert and tls_key, or allow it in words: cluster.without_tls = "{CONSENT}"'
            )
        return None
    if not (settings.tls_ca and settings.tls_cert and settings.tls_key):
        raise ConfigurationError(
            f"cluster.address is {address}, so cluster.tls_ca, tls_cert and tls_key must all be set"
        )
    ca, certificate, key = (home / path for path in (settings.tls_ca, settings.tls_cert, settings.tls_key))
    secret.read("cluster.tls_key", str(key), most=_LONGEST_KEY)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        why = error.reason if isinstance(error, ssl.SSLError) else str(error)
        raise ConfigurationError(
            f"cluster.tls_cert {shown(str(certificate))} and cluster.tls_key do not belong together: {why}"
        ) from error
    _check(ca, certificate, datetime.now(UTC))
    return Security(  # type: ignore[no-untyped-call]
        tls_ca_file=str(ca), tls_client_cert=str(certificate), tls_client_key=str(key), require_encryption=True
    )


def ending(settings: ClusterSettings, home: Path) -> str | None:
    """Say which certificate ends within a month, if one does. Raises ConfigurationError."""
    for name, path in (("cluster.tls_ca", settings.tls_ca), ("cluster.tls_cert", settings.tls_cert)):
        if path and is_encrypted(settings.address or ""):
            end = _read(name, home / path)[0].not_valid_after_utc
            if (end - datetime.now(UTC)).days < _SOON:
                return f"{name} ends on {end:%Y-%m-%d}: from then on no handler is run"
    return None


def _check(ca: Path, certificate: Path, now: datetime) -> None:
    authorities, ours = _read("cluster.tls_ca", ca), _read("cluster.tls_cert", certificate)[0]
    for name, each in (("cluster.tls_ca", authorities[0]), ("cluster.tls_cert", ours)):
        if now > each.not_valid_after_utc:
            raise ConfigurationError(f"{name} has ended on {each.not_valid_after_utc:%Y-%m-%d}: make a new one")
        if now < each.not_valid_before_utc:
            raise ConfigurationError(f"{name} is valid from {each.not_valid_before_utc:%Y-%m-%d %H:%M} UTC only")
    if not any(_is_signed_by(ours, authority) for authority in authorities):
        raise ConfigurationError(f"cluster.tls_cert is not signed by cluster.tls_ca, {shown(str(ca))}")


def _read(name: str, path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {in_words(error)}") from error
    except ValueError as error:
        raise ConfigurationError(f"{name}, {shown(str(path))}, is no certificate in PEM format") from error


def _is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
