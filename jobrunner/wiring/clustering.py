"""Builds what runs handlers on a cluster; without an address nothing of that is imported."""

import os
from collections.abc import Sequence

from jobrunner.cluster.door import Door
from jobrunner.cluster.remote import Remote
from jobrunner.cluster.request import Setup
from jobrunner.domain.cluster import Node
from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import ConfigurationError, StoreError
from jobrunner.domain.events import Trouble, Unwise
from jobrunner.domain.settings import Settings
from jobrunner.files import moves
from jobrunner.linux.locks import WaitingInThread
from jobrunner.linux.processors import processors
from jobrunner.linux.turns import Turns
from jobrunner.process.signals import StopRequest
from jobrunner.process.title import Title
from jobrunner.services.machine import Tell
from jobrunner.services.slot import Main
from jobrunner.wiring.home import store_of

#: Seconds that a note of the nodes waits for a lock on the database.
_PATIENCE = 1.0


class Way:
    """What the workers and the dispatcher of one supervisor share, made before they are forked."""

    def __init__(self) -> None:
        self.door = Door()
        self.turns = Turns(processors())

    def remote(self, settings: Settings, stop: StopRequest) -> Remote:
        """Return a worker's end, while its umask is the handler's. A stop ends the wait for an answer."""
        return Remote(self.door, _setup(settings), lambda seconds, descriptor: stop(seconds, beside=(descriptor,)))


def way_to_nodes(settings: Settings) -> Way | None:
    """Return the way to the nodes of a cluster; None where handlers run here, or there is none."""
    return Way() if settings.cluster.address and settings.process.has_handler else None


def check(settings: Settings) -> None:
    """Raise ConfigurationError where no handler is certain to run on the cluster."""
    if not settings.cluster.address:
        return
    try:
        from jobrunner.cluster.certificates import security  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise ConfigurationError(f"a cluster needs more: pip install 'jobrunner[cluster]' ({error})") from error
    security(settings.cluster, settings.home)
    if settings.process.user:
        raise ConfigurationError(
            "process.user and cluster.address exclude each other: a node runs handlers as the user that it runs as"
        )
    if not moves.same_filesystem(str(settings.folders.work), str(settings.folders.logs)):
        raise ConfigurationError(
            "with cluster.address, work and logs must be on one filesystem: a node writes a log through a link in work"
        )


def dispatcher_main(settings: Settings, way: Way | None) -> Main | None:
    """Return the main function of the process that speaks to the cluster; None where there is none."""
    if way is None:
        return None

    def main(supervisor: str, _number: int, _tell: Tell, emit: Emit) -> None:
        from jobrunner.cluster.certificates import ending, security  # noqa: PLC0415  (an extra)
        from jobrunner.cluster.dispatcher import Dispatcher  # noqa: PLC0415
        from jobrunner.cluster.probing import Probe  # noqa: PLC0415

        Title("dispatcher").take()
        store = store_of(settings, WaitingInThread())  # the loop goes on meanwhile
        if soon := ending(settings.cluster, settings.home):
            emit(Unwise("cluster.address", soon))

        def note(nodes: Sequence[Node]) -> bool:
            try:
                store.open_in_turn()
                with store.write(patience=_PATIENCE):
                    store.nodes.note(supervisor, nodes)
            except StoreError:  # the next look tries again
                return False
            return True

        Dispatcher(
            settings.cluster,
            _setup(settings),
            security(settings.cluster, settings.home),
            way.door,
            Probe(settings.folders.work),
            note,
            lambda words: emit(Trouble(words)),
        ).run()

    return main


def _setup(settings: Settings) -> Setup:
    """Return how the handler is run, with the umask of this process."""
    umask = os.umask(0o077)
    os.umask(umask)
    return Setup(settings.home, settings.process, settings.extract.keep_free, umask)
