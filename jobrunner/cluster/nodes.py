"""The nodes as a dispatcher knows them: which there are, which of them can run the handler and have a free slot."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Client

from jobrunner.cluster import node as on_node
from jobrunner.cluster.probing import Probe
from jobrunner.cluster.request import Setup, our_version
from jobrunner.domain.cluster import Node, has_resources
from jobrunner.domain.settings_cluster import ClusterSettings

#: Seconds between two looks at a node that cannot run the handler, and that one may take to answer.
_AGAIN = 5.0
_CHECK = 30.0
#: Seconds that the scheduler may take to answer, and for which a look waits for the answers of nodes.
_ANSWER = 5.0
#: Characters of an error of Dask's.
_LONGEST = 300

#: Is told of the nodes at each change, and says whether it could note them.
Note = Callable[[Sequence[Node]], bool]


@dataclass(eq=False)
class Known:
    """A node that the scheduler has named. `gone` is set once it is lost; `busy`: so many runs are given to it."""

    node: Node
    resources: dict[str, float]
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    checked_at: float | None = None
    busy: int = 0

    @property
    def is_well(self) -> bool:
        """Whether it has said that it can run the handler."""
        return self.checked_at is not None and self.node.trouble is None

    @property
    def free(self) -> int:
        """How many runs it can be given."""
        return self.node.slots - self.busy if self.is_well else 0

    def refuse(self, trouble: str) -> None:
        """Give it no run until another check finds it well."""
        self.node, self.checked_at = self.node._replace(trouble=trouble), time.monotonic()


class NoNode(Exception):  # noqa: N818  (what is missing)
    """No node can run the handler now: why, in words."""


class Nodes:
    """Filled by looks at what the scheduler says; whoever asks before the first look waits for that."""

    def __init__(
        self, settings: ClusterSettings, setup: Setup, probe: Probe, note: Note, warn: Callable[[str], None]
    ) -> None:
        """`setup`: how the handler is run until a worker says otherwise. `warn` hears of nodes that get no package."""
        self._settings = settings
        self._resources = dict(settings.resources)
        self._setup: dict[str, Any] = json.loads(json.dumps(setup.as_message()))  # as it comes from workers
        self._probe = probe
        self._note = note
        self._warn = warn
        self._known: dict[str, Known] = {}
        self._checks: dict[Known, asyncio.Task[None]] = {}
        self._noted: list[Node] | None = None
        self._trouble: str | None = None
        self._is_sure = asyncio.Event()
        self._changed = asyncio.Condition()
        self._noting = asyncio.Lock()

    def is_new(self, setup: dict[str, Any]) -> bool:
        """Say whether the handler is to be run otherwise from now on: then each node has to say whether it can."""
        if setup == self._setup:
            return False
        self._setup = setup
        self._is_sure.clear()
        for known in self._known.values():
            known.checked_at = None
        return True

    async def trouble(self) -> str | None:
        """Return why no handler can be run now, in words; None where one can."""
        await self._is_sure.wait()
        return self._trouble

    async def look(self, client: Client) -> None:
        """Learn which nodes there are, and whether each can run the handler. Raises OSError, TimeoutError."""
        scheduler = client.scheduler
        if scheduler is None:
            return
        found = (await asyncio.wait_for(scheduler.identity(), _ANSWER))["workers"]
        for address in self._known.keys() - found.keys():
            self.lose(address)
        for address in found.keys() - self._known.keys():
            worker = found[address]
            node = Node(str(worker["name"]), address, worker["nthreads"], time.time())
            self._known[address] = Known(node, dict(worker["resources"] or {}))
        now = time.monotonic()
        unsure = [
            known
            for known in self._known.values()
            if known.checked_at is None or (known.node.trouble and now - known.checked_at >= _AGAIN)
        ]
        for known in unsure:
            if known not in self._checks:
                self._checks[known] = check = asyncio.create_task(self._check(client, known))
                check.add_done_callback(partial(self._end_check, known))
        if self._checks:  # a node that hangs must hold up no other
            await asyncio.wait(self._checks.values(), timeout=_ANSWER)
        if not self._checks or any(known.is_well for known in self._known.values()):
            await self._tell(self._trouble_of_all())

    def lose(self, address: str) -> None:
        """Forget a node that is gone."""
        if known := self._known.pop(address, None):
            known.gone.set()

    async def give_nothing(self, why: str) -> None:
        """Give no node a run until the next look: why, in words. What runs goes on."""
        await self._tell(why)

    async def forget_all(self, why: str) -> None:
        """Forget all nodes, because the scheduler is gone: why, in words."""
        for address in list(self._known):
            self.lose(address)
        await self._tell(why)

    async def take(self) -> Known:
        """Wait for a node with a free slot, and take that; of several nodes the one with most. Raises NoNode."""
        await self._is_sure.wait()
        async with self._changed:
            while self._trouble is None:
                most = max(self._known.values(), key=lambda known: known.free, default=None)
                if most and most.free > 0:
                    most.busy += 1
                    return most
                await self._changed.wait()
            raise NoNode(self._trouble)

    async def give_back(self, known: Known) -> None:
        """Let others have the slot that was taken."""
        known.busy -= 1
        async with self._changed:
            self._changed.notify()

    async def _tell(self, trouble: str | None) -> None:
        """Record what is known now, and let those go on that wait."""
        self._trouble = trouble
        async with self._noting:  # one connection to the database
            nodes = [known.node for known in self._known.values()]
            if nodes != self._noted and await asyncio.to_thread(self._note, nodes):
                self._noted = nodes
        self._is_sure.set()
        async with self._changed:
            self._changed.notify_all()

    def _trouble_of_all(self) -> str | None:
        if not self._known:
            address = self._settings.address
            return (
                f"the scheduler {address} has no node: start one with dask worker {address} --preload "
                "jobrunner.cluster.node"
            )
        nodes = [known.node for known in self._known.values()]
        if all(node.trouble for node in nodes):
            return f"no node can run the handler: {nodes[0].name}: {nodes[0].trouble}"
        return None

    async def _check(self, client: Client, known: Known) -> None:
        before, setup = known.node.trouble, self._setup
        try:
            known.node = await self._asked(client, known.node)
        except TimeoutError:
            known.refuse(f"it did not answer within {_CHECK:g} s")
        except Exception as error:  # whatever a Dask worker raises on which jobrunner is not installed
            known.refuse(f"it is no node of jobrunner: {in_words(error)}")
        if known.node.trouble is None and not has_resources(known.resources, self._resources):
            known.refuse(f"it lacks the resources {json.dumps(self._resources)}: start it with --resources")
        known.checked_at = time.monotonic() if setup is self._setup else None
        if known.node.trouble and known.node.trouble != before:
            self._warn(f"the node {known.node.name} gets no package: {known.node.trouble}")
        if known.is_well and not known.gone.is_set():
            await self._tell(None)

    def _end_check(self, known: Known, _check: asyncio.Task[None]) -> None:
        del self._checks[known]

    async def _asked(self, client: Client, node: Node) -> Node:
        """Return what a node says of itself. Raises whatever there is."""
        path, content = await asyncio.to_thread(self._probe.leave)
        arguments = (our_version(), self._setup, path, content, self._settings.node_timeout)
        async with asyncio.timeout(_CHECK):
            answers: dict[str, Any] = await client.run(on_node.check, *arguments, workers=[node.address])
        answer = answers[node.address]
        was_answered, trouble = await asyncio.to_thread(self._probe.was_answered, path), answer["trouble"]
        if trouble is None and not was_answered:
            trouble = f"what it writes into {Path(path).parents[1]} does not arrive here"
        return node._replace(name=answer["node"], slots=answer["slots"], trouble=trouble)


def in_words(error: BaseException) -> str:
    """Return an error of Dask's in one line, of bounded length."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
