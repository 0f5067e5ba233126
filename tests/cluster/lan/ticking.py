"""A handler that writes the time into the journal, again and again, and what is read there: which attempt ran when."""

from itertools import pairwise

from tests.cluster.dask import NODE_TIMEOUT, Dask
from tests.cluster.network import TTL
from tests.cluster.support import ClusterHome
from tests.scripts import PRELUDE, Note, journal, outcomes, story
from tests.support import wait_until

#: It goes on until the file HOME/end is there, and locks no file while it ticks: a frozen one must hold up no other.
TICKING = f"""{PRELUDE}
start()
ticks = os.open(HOME / "journal", os.O_WRONLY | os.O_APPEND)
while not (HOME / "end").exists():
    os.write(ticks, f"tick {{NAME}} {{ATTEMPT}} {{os.getpid()}} {{time.monotonic()}}\\n".encode())
    threading.Event().wait(0.05)
"""
#: Seconds in which a lost node's package is run on another one; a machine with much to do gets more.
PATIENCE = 2 * TTL + NODE_TIMEOUT + 90


def ticks(home: ClusterHome, attempt: int, name: str = "p") -> list[Note]:
    return [note for note in journal(home.path, "tick") if (note.package, note.attempt) == (name, attempt)]


def running_on(home: ClusterHome, attempt: int = 1, name: str = "p") -> str:
    """Wait until an attempt runs, and return the node on which it does."""
    wait_until(lambda: ticks(home, attempt, name), PATIENCE)
    node: str = next(entry["node"] for entry in home.status()["running"] if entry["name"] == name)
    return node.rpartition(":")[2]


def other(node: str) -> str:
    return {"a": "b", "b": "a"}[node]


def start_again(dask: Dask, node: str) -> None:
    """Do what the service manager of a node does, once its Dask worker has ended by itself."""
    wait_until(dask.nodes[node].has_ended, PATIENCE)
    dask.start(dask.nodes[node])


def end(home: ClusterHome, expected: list[str]) -> None:
    """Have the handlers end; verify how the attempts at p ended, that none counts, and that none ran with another."""
    (home.path / "end").touch()
    wait_until(lambda: home.counts()["done"] == 1, PATIENCE)
    assert outcomes(home) == expected
    job = story(home).job
    assert (job.failures, job.crashes) == (0, 0)
    assert overlap(home) < 0
    assert journal(home.path, "overlap") == []


def overlap(home: ClusterHome) -> float:
    """For how many seconds an attempt has run after the next began; negative: how many lay between them."""
    attempts = sorted({note.attempt for note in journal(home.path, "tick")})
    pairs = pairwise(attempts)
    return max((ticks(home, one)[-1].at - ticks(home, later)[0].at for one, later in pairs), default=-1.0)


def report(home: ClusterHome, what: str, since: float) -> None:
    """Print what is to be measured."""
    print(f"the handler ended {ticks(home, 1)[-1].at - since:.1f} s after the {what}")
    if later := ticks(home, 2):
        print(f"another node began {later[0].at - since:.1f} s after the {what}")
