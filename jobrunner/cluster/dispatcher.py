"""The dispatcher: the one process of a supervisor that speaks to the cluster. It gives each node what it has slots for.

Dask carries the runs and notices deaths; which node gets what is decided here, so that Dask runs nothing a second time.
A connection that breaks is a death: a worker's ends its run, the scheduler's ends all.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from distributed import Client, Future
from distributed.security import Security

from jobrunner.cluster import node as on_node
from jobrunner.cluster.door import Door
from jobrunner.cluster.nodes import Known, Nodes, NoNode, Note, in_words
from jobrunner.cluster.probing import Probe
from jobrunner.cluster.request import Setup, our_version
from jobrunner.domain.settings_cluster import ClusterSettings
from jobrunner.process.channel import LONGEST

#: Seconds that a connection to the scheduler may take to be made or closed, and until it is tried again.
_CONNECT = 5.0
_AGAIN = 1.0
#: Seconds between two looks at the nodes, if the scheduler says nothing of them.
_LOOK = 5.0


class Dispatcher:
    """Serves workers until SIGTERM comes and none is connected any more: until its end, each may have a run to ask for.

    How the handler is run, each worker says with each question: after a reload, the new ones say it otherwise.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        setup: Setup,
        security: Security | None,
        door: Door,
        probe: Probe,
        note: Note,
        warn: Callable[[str], None],
    ) -> None:
        """`note` is told of the nodes at each change, `warn` in words of a node that gets no package."""
        self._address = settings.address or ""
        self._resources = dict(settings.resources)
        self._security = security
        self._door = door
        self._nodes = Nodes(settings, setup, probe, note, warn)
        self._something = asyncio.Event()
        self._client: Client | None = None
        self._is_stopping = False
        self._conversations: set[asyncio.Task[None]] = set()
        self._bug: BaseException | None = None

    def run(self) -> None:
        """Serve. What Dask says by itself is not said: what matters of it is a trouble of ours."""
        logging.disable()
        warnings.simplefilter("ignore")
        asyncio.run(self._main())

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        loop.add_reader(self._door.fileno(), self._let_in)
        while not self._is_over():
            try:
                await self._serve()
            except (OSError, TimeoutError) as error:
                await self._nodes.forget_all(f"the scheduler {self._address} cannot be reached: {in_words(error)}")
            await self._sleep(_AGAIN)

    def _stop(self) -> None:
        self._is_stopping = True
        self._something.set()

    def _is_over(self) -> bool:
        return self._is_stopping and not self._conversations

    async def _sleep(self, seconds: float) -> None:
        """Sleep until something happens, or so many seconds. Raise what a conversation has met that it should not."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._something.wait(), seconds)
        self._something.clear()
        if self._bug:
            raise self._bug

    async def _serve(self) -> None:
        """Serve with one connection to the scheduler, for as long as that lasts. Raises OSError, TimeoutError."""
        client = await Client(  # type: ignore[no-untyped-call]
            self._address,
            asynchronous=True,
            security=self._security,
            timeout=_CONNECT,
            set_as_default=False,
            name="jobrunner",
        )
        try:
            self._client = client
            client.subscribe_topic("all", self._hear)
            while client is self._client and client.status == "running" and not self._is_over():
                try:
                    await self._nodes.look(client)
                except (OSError, TimeoutError):  # it is too busy, or it is lost, as the client will say in a while
                    await self._nodes.give_nothing(f"the scheduler {self._address} does not answer")
                await self._sleep(_LOOK)
        finally:
            await self._lose_the_scheduler()
            with suppress(OSError, TimeoutError):
                await client.close(timeout=_CONNECT)

    async def _lose_the_scheduler(self) -> None:
        self._client = None
        await self._nodes.forget_all(f"the connection to the scheduler {self._address} was lost")
        self._something.set()

    def _hear(self, event: tuple[float, Any]) -> None:
        """Hear what the scheduler says of its workers."""
        match event[1]:
            case {"action": "remove-worker", "worker": str(address)}:
                self._nodes.lose(address)
                self._something.set()
            case {"action": "add-worker"}:
                self._something.set()

    def _let_in(self) -> None:
        while (connection := self._door.answer()) is not None:
            connection.setblocking(False)
            conversation = asyncio.get_running_loop().create_task(self._converse(connection))
            self._conversations.add(conversation)
            conversation.add_done_callback(self._part)

    def _part(self, conversation: asyncio.Task[None]) -> None:
        self._conversations.discard(conversation)
        if not conversation.cancelled():
            self._bug = self._bug or conversation.exception()
        if self._bug or self._is_stopping:
            self._something.set()

    async def _converse(self, connection: socket.socket) -> None:
        """Answer one worker, until it closes its connection."""
        loop = asyncio.get_running_loop()
        with connection, suppress(OSError):
            while message := await loop.sock_recv(connection, LONGEST):
                asked = json.loads(message)
                if self._nodes.is_new(asked["setup"]):
                    self._something.set()
                if "call" not in asked:
                    answer: str | None = json.dumps(await self._nodes.trouble())
                else:
                    answer = await self._run_while_wanted(connection, asked)
                if answer is None:
                    return
                await loop.sock_sendall(connection, answer.encode("ascii"))

    async def _run_while_wanted(self, connection: socket.socket, asked: dict[str, Any]) -> str | None:
        """Run the handler and return the answer; None where the worker's end is closed first."""
        loop = asyncio.get_running_loop()
        run = loop.create_task(self._run(json.dumps(asked["setup"]), json.dumps(asked["call"])))
        leaving = loop.create_task(loop.sock_recv(connection, 1))  # it sends nothing meanwhile
        try:
            await asyncio.wait({run, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return run.result() if run.done() else None
        finally:
            for task in (run, leaving):
                task.cancel()
            await asyncio.wait({run, leaving})

    async def _run(self, setup: str, call: str) -> str:
        """Return the guard's answer to a call, or why there is none."""
        try:
            known = await self._nodes.take()
        except NoNode as trouble:
            return _lost(str(trouble))
        try:
            return await self._run_on(known, setup, call)
        finally:
            if self._client and self._client.status != "running":
                await self._lose_the_scheduler()  # before the next run is asked for
            await self._nodes.give_back(known)

    async def _run_on(self, known: Known, setup: str, call: str) -> str:
        if self._client is None or self._client.status != "running":
            return _lost(f"the connection to the scheduler {self._address} was lost")
        key, name = f"jobrunner-{os.urandom(8).hex()}", known.node.name
        future: Future[Any] = self._client.submit(
            on_node.run,
            key,
            our_version(),
            setup,
            call,
            key=key,
            workers=[known.node.address],
            resources=self._resources or None,
            pure=False,
            retries=0,
        )
        result, gone = asyncio.ensure_future(future.result()), asyncio.ensure_future(known.gone.wait())
        try:
            await asyncio.wait([result, gone], return_when=asyncio.FIRST_COMPLETED)
            if not result.done():
                return _lost(f"the node {name} was lost")
            if result.cancelled():  # there, by a Dask worker that ends: not here
                return _lost(f"the node {name} has ended it")
            answer: dict[str, str] = result.result()
        except Exception as error:  # Dask's, in whichever way the run was lost
            if self._client is None or self._client.status != "running":
                return _lost(f"the connection to the scheduler {self._address} was lost")
            return _lost(f"the run on the node {name} was lost: {in_words(error)}")
        finally:
            for task in (result, gone):
                task.cancel()
            future.release()  # type: ignore[no-untyped-call]
        if refused := answer.get("refused"):
            known.refuse(refused)
            return _lost(f"the node {name} has refused it: {refused}")
        return answer["answer"]


async def reach(address: str, security: Security | None) -> str | None:
    """Say why a scheduler cannot be reached; None where it can."""
    try:
        client = await Client(  # type: ignore[no-untyped-call]
            address, asynchronous=True, security=security, timeout=_CONNECT, set_as_default=False
        )
    except (OSError, TimeoutError) as error:
        return in_words(error)
    await client.close(timeout=_CONNECT)
    return None


def _lost(why: str) -> str:
    return json.dumps({"lost": why})
