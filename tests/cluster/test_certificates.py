"""Who may take part, and whether that is so at the start."""

from dataclasses import replace
from pathlib import Path

import pytest

from jobrunner.cluster.certificates import ending, security
from jobrunner.domain.cluster import CONSENT
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.settings_cluster import ClusterSettings
from tests.cluster.dask import make_certificate

WITH_TLS = ClusterSettings(
    address="tls://ingest:8786", tls_ca=Path("ca.pem"), tls_cert=Path("all.pem"), tls_key=Path("all.key")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    make_certificate(made, "ca", "ca", days=400)
    make_certificate(made, "all", days=200)
    make_certificate(made, "soon", days=5)
    make_certificate(made, "ended", days=-1)
    make_certificate(made, "others", "others")
    make_certificate(made, "foreign", "others")
    (made / "none.pem").write_text("no certificate")
    (made / "open.key").write_bytes((made / "all.key").read_bytes())
    (made / "open.key").chmod(0o644)
    return made


def test_they_are_good(folder: Path) -> None:
    assert security(WITH_TLS, folder) is not None
    assert ending(WITH_TLS, folder) is None


def test_one_that_ends_soon_is_told(folder: Path) -> None:
    settings = replace(WITH_TLS, tls_cert=Path("soon.pem"), tls_key=Path("soon.key"))
    assert security(settings, folder) is not None
    assert "cluster.tls_cert ends on 20" in (ending(settings, folder) or "")


@pytest.mark.parametrize(
    ("certificate", "key", "ca", "why"),
    [
        ("ended.pem", "ended.key", "ca.pem", r"cluster.tls_cert has ended on \d{4}-\d\d-\d\d: make a new one"),
        ("foreign.pem", "foreign.key", "ca.pem", "cluster.tls_cert is not signed by cluster.tls_ca"),
        ("all.pem", "soon.key", "ca.pem", "do not belong together: KEY_VALUES_MISMATCH"),
        ("all.pem", "open.key", "ca.pem", "cluster.tls_key: others may use"),
        ("all.pem", "all.key", "none.pem", "cluster.tls_ca, .*none.pem, is no certificate in PEM format"),
        ("all.pem", "all.key", "missing.pem", "cluster.tls_ca cannot be read: No such file"),
        (
            "missing.pem",
            "all.key",
            "ca.pem",
            "cluster.tls_cert .*missing.pem and cluster.tls_key do not belong together",
        ),
    ],
)
def test_they_are_not(folder: Path, certificate: str, key: str, ca: str, why: str) -> None:
    settings = replace(WITH_TLS, tls_cert=Path(certificate), tls_key=Path(key), tls_ca=Path(ca))
    with pytest.raises(ConfigurationError, match=why):
        security(settings, folder)


def test_all_three_are_needed(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="tls_ca, tls_cert and tls_key must all be set"):
        security(replace(WITH_TLS, tls_key=None), folder)


def test_without_tls_it_is_this_machine_or_allowed_in_words(folder: Path) -> None:
    assert security(ClusterSettings(address="tcp://127.0.0.1:8786"), folder) is None
    with pytest.raises(ConfigurationError, match=f'allow it in words: cluster.without_tls = "{CONSENT}"'):
        security(ClusterSettings(address="tcp://ingest:8786"), folder)
    assert security(ClusterSettings(address="tcp://ingest:8786", without_tls=CONSENT), folder) is None
