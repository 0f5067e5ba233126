"""Handler scripts that tests run, what these wrote down, and what the kernel says of their processes."""

from dataclasses import dataclass
from pathlib import Path

from jobrunner.domain.status import Story
from tests.support import TestHome

#: The beginning of a handler script. It notes what it does in HOME/journal, and holds a lock for its package: whoever
#: finds it taken by an earlier handler or by anything that one has forked notes "overlap".
PRELUDE = """
import fcntl, os, signal, sys, threading, time
from pathlib import Path

HOME, NAME = Path(os.environ["JOBRUNNER_HOME"]), os.environ["JOBRUNNER_PACKAGE"]
ATTEMPT, DATA = int(os.environ["JOBRUNNER_ATTEMPT"]), Path(os.environ["JOBRUNNER_DATA"])

def note(word, pid=None):
    with open(HOME / "journal", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{word} {NAME} {ATTEMPT} {pid or os.getpid()} {time.monotonic()}\\n")

def start():
    global lock
    lock = open(HOME / f"lock-{NAME}", "a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note("overlap")
    note("start")

def wait_for(name):
    while not (HOME / name).exists():
        threading.Event().wait(0.01)

def escape():
    "Leave a process behind that is in a session of its own, re-parented, and deaf to SIGTERM; return its pid."
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            os.write(theirs, str(os.getpid()).encode())
            while True:
                signal.pause()
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(ours, 20))

def vanish():
    "Leave such a process behind that has also closed all files and emptied its environment; return its pid."
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        child = os.fork()
        if child:
            os.write(theirs, str(child).encode())
            os._exit(0)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        os.chdir("/")
        os.closerange(0, theirs)
        os.execve("/bin/sleep", ["sleep", "1000"], {})  # closes the pipe, too
    os.waitpid(child, 0)
    os.close(theirs)
    with open(ours) as pid:
        return int(pid.read())
"""

#: Forks as often as it can, in a session of its own each time, while there are less than so many of its kind; what a
#: kill takes away grows again at once.
BOMB = """
import os, sys
def count():
    return sum(open(f"/proc/{pid}/comm").read() == "bomb\\n" for pid in os.listdir("/proc") if pid.isdigit())
open("/proc/self/comm", "w").write("bomb")
print(flush=True)
while True:
    try:
        if count() < 60 and os.fork() == 0:
            os.setsid()
    except OSError:
        pass
"""


@dataclass(frozen=True)
class Note:
    """A line of the journal; `at` is time.monotonic(), which all processes share."""

    word: str
    package: str
    attempt: int
    pid: int
    at: float


def journal(home: Path, *words: str) -> list[Note]:
    """Return what handlers noted, in order; with `words`, only those notes."""
    try:
        lines = (home / "journal").read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    notes = []
    for line in lines:
        if line.endswith("\n"):
            word, package, attempt, pid, at = line.split()
            notes.append(Note(word, package, int(attempt), int(pid), float(at)))
    return [note for note in notes if not words or note.word in words]


def story(home: TestHome, name: str = "p") -> Story:
    """Return a job and its attempts, read in this process: much faster than `jobrunner show`."""
    opened = home.open()
    try:
        return opened.report.story(opened.report.find(name))
    finally:
        opened.store.close()


def outcomes(home: TestHome, name: str = "p") -> list[str]:
    """Return how each attempt at a package ended; "running" for one that has not."""
    return [attempt.outcome.value if attempt.outcome else "running" for attempt in story(home, name).attempts]


def lives(pid: int) -> bool:
    """Say whether a process runs: neither gone nor a zombie."""
    return state_of(pid) not in {"", "Z", "X"}


def state_of(pid: int) -> str:
    """Return how ps calls what a process does: R, S, T, Z; empty where there is none."""
    return _stat(pid)[0]


def parent_of(pid: int) -> int:
    return int(_stat(pid)[1])


def _stat(pid: int) -> tuple[str, str]:
    """Return the state and the parent's pid of a process, as text; empty where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", ""
    return fields[0], fields[1]
