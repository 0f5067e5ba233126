"""What a service manager is told, by a real socket: nothing of it is told before it is true."""

import fcntl
import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.linux.processes import is_stopped
from tests.scripts import PRELUDE, journal
from tests.support import PATIENCE, TestHome, children_of, wait_until

#: Waits for its own package's file.
GATED = PRELUDE + "start()\nwait_for(f'go-{NAME}')\n"
WATCHDOG = 1.0  # seconds


class Manager:
    """Stands for a service manager: it hears what the services that it has started say, and notes when."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[tuple[float, int, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(address.replace("@", "\0"))

    def hears(self, line: str, since: float = 0) -> bool:
        """Say whether a line has come, after this moment, that begins so."""
        self._listen(0)
        return any(heard.startswith(line) for at, _, heard in self.heard if at > since)

    def is_silent(self, line: str, seconds: float) -> bool:
        """Listen for so long; say whether no line came that begins so."""
        since = time.monotonic()
        while (left := since + seconds - time.monotonic()) > 0:
            self._listen(left)
        return not self.hears(line, since)

    def lines(self) -> list[str]:
        self._listen(0)
        return [line for _, _, line in self.heard]

    def speakers(self) -> set[int]:
        self._listen(0)
        return {pid for _, pid, _ in self.heard}

    def close(self) -> None:
        self._socket.close()

    def _listen(self, seconds: float) -> None:
        while True:
            self._socket.settimeout(max(seconds, 0) or 0.000001)
            try:
                said, sent, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(12))
            except TimeoutError:
                return
            pid = int.from_bytes(sent[0][2][:4], "little")
            self.heard += [(time.monotonic(), pid, line) for line in said.decode("utf-8").splitlines()]
            seconds = 0


class Served(TestHome):
    """A home whose commands a service manager starts."""

    manager: Manager
    watchdog = 0.0

    @property
    def environment(self) -> dict[str, str]:
        timeout = {"WATCHDOG_USEC": str(round(self.watchdog * 1e6))} if self.watchdog else {}
        return super().environment | {"NOTIFY_SOCKET": self.manager.address} | timeout


@pytest.fixture(params=["path", "name"])
def served(request: pytest.FixtureRequest, public_path: Path, tmp_path: Path) -> Iterator[Served]:
    home = Served(tmp_path / "home")
    home.manager = Manager(str(public_path / "notify") if request.param == "path" else f"@{secrets.token_hex(8)}")
    home.handler(GATED)
    yield home
    home.end_all()
    home.manager.close()


by_path = pytest.mark.parametrize("served", ["path"], indirect=True)


def named(pid: int, name: str) -> list[int]:
    """The children of a process whose title begins so."""
    names = {child: Path(f"/proc/{child}/comm").read_text().strip() for child in children_of(pid)}
    return [child for child, comm in names.items() if comm.startswith(f"jobrunner: {name}"[:15])]


def test_it_is_told_how_a_run_goes_from_its_start_to_its_stop(served: Served) -> None:
    served.package("first")
    manager, run = served.manager, served.start("run", "-n", "1")
    wait_until(lambda: manager.hears("READY=1"))
    counts = served.counts()
    assert counts["queued"] + counts["running"] == 1  # the first scan was before that
    wait_until(lambda: manager.hears("STATUS=1 running"))
    (served.path / "jobrunner.toml").write_text((served.path / "jobrunner.toml").read_text() + "[work]\nworkers = 2\n")
    since = time.monotonic()
    run.send_signal(signal.SIGHUP)
    wait_until(lambda: manager.hears("READY=1", since))
    assert manager.lines()[manager.lines().index("RELOADING=1") + 1].startswith("MONOTONIC_USEC=")
    run.terminate()
    wait_until(lambda: manager.hears("STOPPING=1"))
    wait_until(lambda: manager.hears("EXTEND_TIMEOUT_USEC="))
    (served.path / "go-first").touch()
    assert run.wait(PATIENCE) == 128 + signal.SIGTERM
    assert manager.speakers() == {run.pid}
    assert not manager.hears("WATCHDOG=1")  # which nobody has asked for


@by_path
def test_what_it_said_reaches_no_handler(served: Served) -> None:
    served.watchdog = 60
    script = "(HOME / 'seen').write_text(json.dumps(sorted(os.environ)))\n"
    served.handler(f"import json\n{PRELUDE}{script}")
    served.package("first")
    served.start("run", "-n", "1")
    wait_until((served.archive / "first").exists)
    seen = json.loads((served.path / "seen").read_text())
    assert "JOBRUNNER_PACKAGE" in seen
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}.intersection(seen)


@by_path
@pytest.mark.parametrize("which", ["worker", "scanner"])
def test_a_stopped_process_ends_the_pings_and_they_come_back_with_it(served: Served, which: str) -> None:
    served.watchdog = WATCHDOG
    manager, run = served.manager, served.start("run", "-n", "2")
    wait_until(lambda: manager.hears("WATCHDOG=1"))
    stopped = wait_until(lambda: named(run.pid, which))[0]
    os.kill(stopped, signal.SIGSTOP)
    wait_until(lambda: is_stopped(stopped))
    assert manager.is_silent("WATCHDOG=1", 2.5 * WATCHDOG)
    since = time.monotonic()
    os.kill(stopped, signal.SIGCONT)
    wait_until(lambda: manager.hears("WATCHDOG=1", since))


@by_path
def test_work_pings_and_a_stop_do_without_a_notifier(served: Served) -> None:
    served.watchdog = WATCHDOG
    served.configure("[notify]\ncommand = ['true']\n[work]\nshutdown_grace = '1h'\n")
    manager, run = served.manager, served.start("run", "-n", "1")
    wait_until(lambda: named(run.pid, "notifier"))
    (notifier,) = named(run.pid, "notifier")
    os.kill(notifier, signal.SIGSTOP)
    wait_until(lambda: is_stopped(notifier))
    since = time.monotonic() + 2 * WATCHDOG
    wait_until(lambda: manager.hears("WATCHDOG=1", since))
    run.send_signal(signal.SIGTERM)
    assert run.wait(PATIENCE) == 128 + signal.SIGTERM


@by_path
def test_a_worker_that_is_busy_or_replaced_or_waits_for_the_machine_is_alive(served: Served) -> None:
    served.watchdog = WATCHDOG
    served.package("first")
    manager, run = served.manager, served.start("run", "-n", "1")
    wait_until(lambda: journal(served.path, "start"))
    _pings(manager)
    os.kill(wait_until(lambda: named(run.pid, "worker"))[0], signal.SIGKILL)
    _pings(manager)
    served.archive.rename(served.path / "elsewhere")
    (served.path / "go-first").touch()
    wait_until(lambda: manager.hears("STATUS=trouble: "))
    _pings(manager)
    (served.path / "elsewhere").rename(served.archive)
    wait_until((served.archive / "first").exists)
    since = time.monotonic()
    wait_until(lambda: manager.hears("STATUS=nothing to do", since))


def _pings(manager: Manager) -> None:
    for _ in range(2):
        since = time.monotonic()
        wait_until(lambda: manager.hears("WATCHDOG=1", since))  # noqa: B023  (it is called at once)


@by_path
def test_a_watchdog_for_another_process_is_none_for_us(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_PID", "1")
    served.watchdog = WATCHDOG
    manager = served.manager
    served.start("work", "-n", "1")
    wait_until(lambda: manager.hears("READY=1"))
    assert manager.is_silent("WATCHDOG=1", WATCHDOG)
    assert not manager.hears("WATCHDOG=1")


@by_path
def test_scan_watch_speaks_too(served: Served) -> None:
    served.watchdog = WATCHDOG
    served.package("first")
    manager, scan = served.manager, served.start("scan", "--watch")
    wait_until(lambda: manager.hears("READY=1"))
    assert served.counts()["queued"] == 1
    wait_until(lambda: manager.hears("STATUS=1 queued"))
    _pings(manager)
    served.inbox.rename(served.path / "elsewhere")
    wait_until(lambda: manager.hears("STATUS=trouble: "))
    _pings(manager)
    scan.terminate()
    assert scan.wait(PATIENCE) == 128 + signal.SIGTERM
    assert manager.hears("STOPPING=1")


def test_a_manager_that_is_not_there_any_more_keeps_nobody_from_working(served: Served) -> None:
    served.manager.close()
    (served.path / "go-first").touch()
    served.package("first")
    run = served.start("run", "-n", "1", "--drain")
    assert run.wait(PATIENCE) == 0


@by_path
def test_it_is_alive_while_another_program_holds_its_locks(served: Served) -> None:
    served.watchdog = WATCHDOG
    manager, run = served.manager, served.start("run", "-n", "1")
    wait_until(lambda: manager.hears("READY=1"))
    gates = [open(path, "rb") for path in (served.path.glob("jobrunner.db-*")) if path.suffix != ".db-wal"]  # noqa: SIM115
    try:
        for gate in gates:
            fcntl.flock(gate, fcntl.LOCK_EX)
        (worker,) = wait_until(lambda: named(run.pid, "worker"))
        os.kill(worker, signal.SIGKILL)  # which the supervisor wants to write down
        wait_until(lambda: manager.hears("STATUS=trouble: "))
        _pings(manager)
    finally:
        for gate in gates:
            gate.close()
