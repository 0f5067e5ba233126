"""A network of the test's own: server and nodes are each in a network namespace, and their links can be cut."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from pyroute2 import NetNS

from tests.cluster.dask import Dask

_SERVER, _PORT = "10.77.0.1", 8786
_NODES = {"a": "10.77.0.2", "b": "10.77.0.3"}
_BITS = 24
_BRIDGE, _CARD = "switch", "card"
#: Seconds after which the scheduler gives up a node that is connected and says nothing; 300 where it is not set.
TTL = 15


class Lan:
    """The server's namespace has a bridge with a link to each node's.

    A namespace is there for as long as we have it open, or a process is in it. So nothing has to be removed, and
    processes are started in it so that they end with us, however that is.
    """

    def __init__(self, opened: ExitStack) -> None:
        self._server = _namespace(opened)
        self._nodes = {name: _namespace(opened) for name in _NODES}
        with NetNS(_path(self._server), flags=0) as server:
            server.link("add", ifname=_BRIDGE, kind="bridge")
            bridge = server.link_lookup(ifname=_BRIDGE)[0]
            server.addr("add", index=bridge, address=_SERVER, prefixlen=_BITS)
            for name, node in self._nodes.items():
                server.link("add", ifname=name, kind="veth", peer={"ifname": _CARD, "net_ns_fd": node})
                server.link("set", index=server.link_lookup(ifname=name)[0], master=bridge)
            for name in ("lo", _BRIDGE, *_NODES):
                server.link("set", index=server.link_lookup(ifname=name)[0], state="up")
        for name, namespace in self._nodes.items():
            with NetNS(_path(namespace), flags=0) as node:
                card = node.link_lookup(ifname=_CARD)[0]
                node.addr("add", index=card, address=_NODES[name], prefixlen=_BITS)
                for index in (node.link_lookup(ifname="lo")[0], card):
                    node.link("set", index=index, state="up")

    @property
    def in_server(self) -> list[str]:
        """What stands before a command that is to run on the server."""
        return _within(self._server)

    def dask(self, folder: Path) -> Iterator[Dask]:
        """A scheduler on the server, and the nodes a and b of one slot each."""
        ttl = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{TTL}s"}
        dask = Dask(folder, f"{_SERVER}:{_PORT}", before=self.in_server, **ttl)
        try:
            dask.start_scheduler()
            for name, address in _NODES.items():
                dask.node(name, slots=1, host=address, before=_within(self._nodes[name]))
            yield dask
        finally:
            dask.end()

    def cut(self, node: str) -> None:
        """Cut a node's link: what is sent into it is lost, and neither side is told."""
        self._set(node, "down")

    def mend(self, node: str) -> None:
        self._set(node, "up")

    def _set(self, node: str, state: str) -> None:
        with NetNS(_path(self._server), flags=0) as server:
            server.link("set", index=server.link_lookup(ifname=node)[0], state=state)


def _namespace(opened: ExitStack) -> int:
    """Make a network namespace, and return a descriptor that is closed with `opened`."""
    if os.geteuid() != 0:
        pytest.skip("only root can make network namespaces")
    pipe = subprocess.PIPE
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=pipe, stdout=pipe, stderr=pipe) as first:
        assert first.stdin
        assert first.stdout
        assert first.stderr
        with suppress(BrokenPipeError):
            first.stdin.write(b"here\n")
            first.stdin.flush()
        if not first.stdout.readline():
            pytest.skip(f"no network namespace can be made here: {first.stderr.read().decode()}")
        descriptor = os.open(f"/proc/{first.pid}/ns/net", os.O_RDONLY)
        opened.callback(os.close, descriptor)
        return descriptor


def _path(namespace: int) -> str:
    return f"/proc/{os.getpid()}/fd/{namespace}"


def _within(namespace: int) -> list[str]:
    return ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net={_path(namespace)}"]
