"""The settings of a cluster that exists already."""

from dataclasses import dataclass
from pathlib import Path

from jobrunner.domain import cluster, values
from jobrunner.domain.setting import key


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Where handlers run, if not here: on the nodes of a Dask cluster. `node_timeout` in seconds."""

    address: str | None = key(
        cluster.address, None, "the scheduler of a Dask cluster that runs the handlers", example='"tls://ingest:8786"'
    )
    tls_ca: Path | None = key(values.path, None, "who signs its certificates and ours", example='"ca.pem"')
    tls_cert: Path | None = key(values.path, None, "our certificate", example='"ingest.pem"')
    tls_key: Path | None = key(values.path, None, "the key of our certificate", example='"ingest.key"')
    without_tls: str | None = key(
        cluster.consent,
        None,
        "beyond this machine tcp:// is refused unless these words allow it",
        example=f'"{cluster.CONSENT}"',
    )
    resources: tuple[tuple[str, float], ...] = key(
        cluster.resources, {}, "of Dask's resources, what one run of the handler takes: { GPU = 1 }"
    )
    node_timeout: float = key(
        values.duration, "90s", "how long the handler may still run on a node that cannot be reached any more"
    )
