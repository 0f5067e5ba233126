"""Beyond one machine: where the scheduler of a Dask cluster is, and what is known of its nodes."""

import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

#: What a user writes who has handlers run without TLS beyond one machine.
CONSENT = "whoever reaches the port runs code"
_ADDRESS = re.compile(r"(tls|tcp)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
#: Characters of a node's name.
_LONGEST_NAME = 100


class Node(NamedTuple):
    """A node that a scheduler knows: where its Dask worker is, and how many handlers it runs at a time.

    `since_at`: when it was found (seconds since 1970). `trouble`: why it gets no handler, None where it does.
    """

    name: str
    address: str
    slots: int
    since_at: float
    trouble: str | None = None


def address(value: object) -> str:
    """Return the address of a scheduler."""
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 0 < int(found[3]) < 65_536:
        raise ValueError('the address of a Dask scheduler, such as "tls://ingest:8786"')
    return found[0]


def is_encrypted(of: str) -> bool:
    """Say whether what goes to this address is encrypted."""
    return of.startswith("tls://")


def is_loopback(of: str) -> bool:
    """Say whether an address is of this machine alone."""
    found = _ADDRESS.fullmatch(of)
    host = found[2].strip("[]") if found else ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def consent(value: object) -> str:
    """Return the words that allow handlers to be run without TLS."""
    if value != CONSENT:
        raise ValueError(f'the words "{CONSENT}", where that is so and meant, or left out')
    return CONSENT


def resources(value: object) -> tuple[tuple[str, float], ...]:
    """Return amounts of Dask's resources by their names, from a table or a JSON object."""
    try:
        table: Any = json.loads(value) if isinstance(value, str) else value
        return tuple(_amount(name, amount) for name, amount in sorted(table.items()))
    except (json.JSONDecodeError, AttributeError):
        raise ValueError("a table such as { GPU = 1 }, and a JSON object in a variable") from None


def _amount(name: str, amount: object) -> tuple[str, float]:
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 < amount < 1e9:
        raise ValueError(f"a table of names to numbers above zero: {name} is none")
    return name, float(amount)


def node_name(host: str, worker: object) -> str:
    """Return what a node is called: its host and, where a user has given its Dask worker a name, that."""
    given = str(worker)  # a number, where it looks like one: a batch system's job
    name = host if "://" in given or given == host else f"{host}/{given}"
    return re.sub(r"[^A-Za-z0-9._:/-]", "_", name).replace("/", ":")[:_LONGEST_NAME] or "node"


def has_resources(of: Mapping[str, float], wanted: Mapping[str, float]) -> bool:
    """Say whether a node has what a run of the handler takes."""
    return all(of.get(name, 0) >= amount for name, amount in wanted.items())
