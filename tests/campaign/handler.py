"""The handler of the campaigns: `python handler.py EVIDENCE`, what it does being written in the package's plan.txt.

It notes each start and end in EVIDENCE/journal, in the form that tests.scripts.journal reads. EVIDENCE lies outside of
the home, so that no power cut of a campaign takes it.
"""

import fcntl
import os
import signal
import sqlite3
import sys
import time
from contextlib import closing

EVIDENCE, NAME, DATA = sys.argv[1], os.environ["JOBRUNNER_PACKAGE"], os.environ["JOBRUNNER_DATA"]
ATTEMPT = int(os.environ["JOBRUNNER_ATTEMPT"])
#: The note that is made before an exit with this status.
WORDS = {0: "succeeded", 1: "failed", 65: "rejected", 75: "later"}


def main() -> int:
    note("start")
    hold_package()
    with open(os.path.join(DATA, "plan.txt"), encoding="ascii") as file:
        plan = file.read()
    code = 0
    if plan == "rejects" or (plan == "rejects later" and not is_first()):
        code = 65
    elif plan == "fails" or (plan == "fails at first" and is_first()):
        code = 1
    elif plan in {"later at first", "later, then waits"} and is_first():
        code = 75
    elif plan.endswith("waits") or (plan == "waits at first" and is_first()):
        signal.pause()
    if plan == "reloads" and is_first():
        reload()
    if plan in {"forks", "escapes"}:
        leave_behind(is_daemon=plan == "escapes")
    if plan in {"is slow", "forks", "escapes"}:
        time.sleep(0.1 + 0.2 * (os.getpid() % 2))
    write("by.txt", f"{NAME} {ATTEMPT} {os.getpid()}")
    os.makedirs(os.path.join(DATA, "result"), exist_ok=True)
    write("result/out.txt", NAME * 1000)
    note(WORDS[code])
    return code


def reload() -> None:
    """Change the settings and ask for a reload, as the command does; wait until they are taken over."""
    with open("jobrunner.toml", "r+", encoding="utf-8") as file:
        text = file.read()
        file.seek(0)
        file.write(text.replace('backoff = "0.05s"', 'backoff = "0.06s"'))
    with closing(sqlite3.connect("jobrunner.db", timeout=60, isolation_level=None)) as database:
        database.execute("UPDATE runners SET reloads_asked = reloads_asked + 1")
        while database.execute("SELECT 1 FROM runners WHERE reloads_done < reloads_asked").fetchone():
            time.sleep(0.01)


def note(word: str) -> None:
    """Write one line, in one write: what is killed has written it or not."""
    line = f"{word} {NAME} {ATTEMPT} {os.getpid()} {time.monotonic()}\n"
    journal = os.open(os.path.join(EVIDENCE, "journal"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(journal, line.encode())
    os.close(journal)


def is_first() -> bool:
    try:
        os.close(os.open(os.path.join(EVIDENCE, f"first-{NAME}"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        return False
    return True


def hold_package() -> None:
    """Hold a lock that all our children inherit: who finds it held runs beside an earlier handler or its children."""
    lock = os.open(os.path.join(EVIDENCE, f"lock-{NAME}"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note("overlap")


def write(name: str, text: str) -> None:
    try:
        with open(os.path.join(DATA, name), "x", encoding="ascii") as file:
            file.write(text)
    except FileExistsError:
        note("stale")


def leave_behind(*, is_daemon: bool) -> None:
    """Leave a process running that is deaf to SIGTERM; as a daemon it is re-parented, in a session of its own."""
    if os.fork() == 0:
        if is_daemon:
            os.setsid()
            if os.fork() != 0:
                os._exit(0)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        while True:
            signal.pause()


if __name__ == "__main__":
    sys.exit(main())
