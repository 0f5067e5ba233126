"""Looks at what a machine lacks to be a node, on that machine, without the database."""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jobrunner.cluster import lives
from jobrunner.cluster.certificates import ending, security
from jobrunner.cluster.dispatcher import reach
from jobrunner.cluster.node import no_handler, too_slow
from jobrunner.cluster.request import Setup, our_version
from jobrunner.domain.errors import ConfigurationError, in_words
from jobrunner.domain.package import shown
from jobrunner.domain.settings import Settings


class Looked(NamedTuple):
    """What has been looked at, and what is missing of it; None if nothing is. `hint`: what else is to be known."""

    what: str
    missing: str | None
    hint: str = ""


def look(settings: Settings) -> Iterator[Looked]:
    """Yield what a node of this home needs, one thing after the other."""
    cluster, home = settings.cluster, settings.home
    yield Looked("jobrunner", None, f"{our_version()}, which the server must have, too")
    if not cluster.address:
        yield Looked("cluster.address", "it is not set in jobrunner.toml: no handler is sent to a node")
        return
    try:
        proof, soon = security(cluster, home), ending(cluster, home)
        yield Looked("certificates", None, soon or ("valid" if proof else "none: nothing is encrypted"))
    except ConfigurationError as error:
        yield Looked("certificates", str(error))
    else:
        why = asyncio.run(reach(cluster.address, proof))
        yield Looked("scheduler", why and f"{cluster.address} cannot be reached: {why}", cluster.address)
    yield Looked("timeouts", too_slow(cluster.node_timeout), f"cluster.node_timeout {cluster.node_timeout:g} s")
    work = settings.folders.work
    yield Looked("work folder", _unwritable(work), shown(str(work)))
    yield Looked("handler", no_handler(Setup(home, settings.process, 0, 0)), f"started in {shown(str(home))}")
    is_seen = settings.database_path.exists()
    yield Looked(
        "database",
        f"{shown(str(settings.database_path))} is seen here: leave it out of what is exported" if is_seen else None,
        "not seen from here, as it is to be",
    )
    try:
        left = lives.sweep()
        yield Looked("earlier lives", f"{len(left)} processes of them do not end" if left else None, "nothing is left")
    except (ConfigurationError, OSError) as error:
        yield Looked("earlier lives", str(error))


def _unwritable(folder: Path) -> str | None:
    probe = folder / f".node-check-{secrets.token_hex(8)}"
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileNotFoundError:
        return f"{shown(str(folder))} is not there: mount it from the server, where the first `jobrunner run` makes it"
    except OSError as error:
        return f"{shown(str(folder))}: {in_words(error)}"
    with suppress(FileNotFoundError):
        os.unlink(probe)
    return None
