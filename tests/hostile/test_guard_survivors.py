"""A process of another user's below the guard: a handler that has become root, as with sudo or a setuid program."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.messages import met_a_bug
from tests.scripts import lives, outcomes, parent_of
from tests.support import children_of, control_group, kill, wait_until
from tests.unkillable import USER, HeldUpHome, held_up_home

#: Starts the program that becomes root, for as long as there is no file HOME/end-NAME, and does as the package's name
#: says: waits for it, or ends well at once. It notes the pid.
HANDLER = """
end="$JOBRUNNER_HOME/end-$JOBRUNNER_PACKAGE"
[ -e "$end" ] && exit 0
env -i "$JOBRUNNER_HOME/../root" "$end" &
until grep -q "^Uid:.0" /proc/$!/status; do :; done
echo $! > "$JOBRUNNER_HOME/root-$JOBRUNNER_PACKAGE-$JOBRUNNER_ATTEMPT"
[ "$JOBRUNNER_PACKAGE" = ends ] || wait
"""


@pytest.fixture
def home() -> Iterator[HeldUpHome]:
    with held_up_home() as made:
        yield made
        for name in ("waits", "ends"):
            (made.path / f"end-{name}").touch()


def start(home: HeldUpHome, name: str, process: str = "", group: Path | None = None) -> int:
    """Start jobrunner with a package, and return the pid of the process that has become root."""
    (home.path / "handler.sh").write_text(HANDLER)
    home.configure(
        f'[process]\ncommand = ["/bin/sh", "handler.sh"]\n{process}[retry]\nbackoff = "1s"\nmax_attempts = 1\n'
    )
    home.package(name)
    USER.owns(home.path)
    home.start("run", "-n", "1", group=group)
    return pid_of(home, name)


def pid_of(home: HeldUpHome, name: str, attempt: int = 1) -> int:
    def text() -> str:
        file = home.path / f"root-{name}-{attempt}"
        return file.read_text() if file.exists() else ""

    return int(wait_until(lambda: text().endswith("\n") and text()))


def end(home: HeldUpHome, name: str) -> None:
    """Let the process that has become root end."""
    (home.path / f"end-{name}").touch()


def troubles(home: HeldUpHome) -> list[str]:
    return list(home.status()["troubles"])


def worker_of(home: HeldUpHome) -> int:
    return int(home.status()["running"][0]["worker_pid"])


def test_a_handler_that_may_not_be_killed_at_its_timeout_holds_up_its_package_only(home: HeldUpHome) -> None:
    pid = start(home, "waits", 'timeout = "2s"\n')
    said = f"process {pid} of the handler of waits belongs to root, and only root can end it: waits waits for that"
    wait_until(lambda: said in home.said())
    assert troubles(home) == [said]
    home.package("other")
    end(home, "other")
    USER.owns(home.path)
    wait_until(lambda: home.counts()["done"] == 1)
    assert lives(pid)
    assert outcomes(home, "waits") == ["running"]
    end(home, "waits")
    wait_until(lambda: outcomes(home, "waits") == ["failed"])
    assert home.show("waits")["error"] == "the handler was ended after its timeout of 2 s"
    wait_until(lambda: troubles(home) == [])
    assert not met_a_bug(home.said())
    assert " died" not in home.said()


def test_a_success_counts_once_nothing_of_the_handler_is_left(home: HeldUpHome) -> None:
    pid = start(home, "ends")
    wait_until(lambda: str(pid) in home.said())
    assert outcomes(home, "ends") == ["running"]
    assert not (home.archive / "ends").exists()
    end(home, "ends")
    wait_until(lambda: outcomes(home, "ends") == ["done"])
    assert not (home.path / "root-ends-2").exists()


def test_cancel_says_what_it_waits_for(home: HeldUpHome) -> None:
    pid = start(home, "waits")
    cancelled = home.jobrunner("cancel", "waits")
    assert cancelled.returncode == 1
    assert cancelled.stderr == (
        f"jobrunner: waits is cancelled, but process {pid} of its handler belongs to root, and only root can end it: "
        "it goes to failed/ when that has ended\n"
    )
    told = f"process {pid} of a dead worker belongs to root, and only root can end it: its package waits for that"
    wait_until(lambda: troubles(home) == [told])
    end(home, "waits")
    wait_until(lambda: home.show("waits")["state"] == "failed")
    assert home.show("waits")["verdict"] == "cancelled"


def test_no_second_handler_runs_beside_it_when_its_worker_was_killed(home: HeldUpHome) -> None:
    pid = start(home, "waits")
    kill(worker_of(home))
    wait_until(lambda: f"process {pid} of a dead worker belongs to root" in "".join(troubles(home)))
    assert outcomes(home, "waits") == ["running"]
    end(home, "waits")
    wait_until(lambda: outcomes(home, "waits") == ["crashed", "done"])


def test_what_a_killed_guard_leaves_is_waited_for_by_its_worker(home: HeldUpHome) -> None:
    pid = start(home, "waits")
    worker = worker_of(home)
    [guard] = children_of(worker)
    kill(guard)
    wait_until(lambda: f"process {pid} of the handler of waits belongs to root" in home.said())
    assert parent_of(pid) == worker
    assert outcomes(home, "waits") == ["running"]
    end(home, "waits")
    wait_until(lambda: outcomes(home, "waits") == ["crashed", "done"])


def test_it_is_found_by_its_session_when_everybody_was_killed(home: HeldUpHome) -> None:
    pid = start(home, "waits")
    worker = worker_of(home)
    ours = [parent_of(worker), worker, *children_of(worker)]
    for each in ours:  # stopped first: nobody sees anybody else die
        os.kill(each, signal.SIGSTOP)
    for each in reversed(ours):
        kill(each)
    wait_until(lambda: not any(map(lives, ours)))
    said = f"process {pid} of a dead worker belongs to root, and only root can end it: its package waits for that"
    assert troubles(home) == [said]
    home.start("run", "-n", "1")
    wait_until(lambda: said in home.said())
    assert outcomes(home, "waits") == ["running"]
    end(home, "waits")
    wait_until(lambda: outcomes(home, "waits") == ["interrupted", "done"])


def test_a_stop_leaves_the_guard_with_it_and_the_next_start_waits(home: HeldUpHome) -> None:
    pid = start(home, "waits")
    worker = worker_of(home)
    [guard] = children_of(worker)
    supervisor = home.started[-1]
    supervisor.terminate()
    wait_until(lambda: "again Ctrl-C or SIGTERM: at once" in home.said())
    supervisor.terminate()
    wait_until(lambda: parent_of(guard) != worker)
    kill(supervisor.pid)  # or it would wait for the guard, though not for ever
    supervisor.wait()
    assert lives(guard)
    home.start("run", "-n", "1")
    wait_until(lambda: f"process {pid} of a dead worker belongs to root" in "".join(troubles(home)))
    assert outcomes(home, "waits") == ["running"]
    end(home, "waits")
    wait_until(lambda: outcomes(home, "waits") == ["interrupted", "done"])
    assert not lives(guard)


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group that is the user's, as systemd gives one with Delegate=yes."""
    with control_group() as made:
        for path in (made, made / "cgroup.procs", made / "cgroup.subtree_control"):
            os.chown(path, USER.uid, USER.uid)
        yield made


def test_the_kernel_ends_it_where_a_control_group_can_be_made(group: Path, home: HeldUpHome) -> None:
    pid = start(home, "ends", group=group)
    wait_until(lambda: outcomes(home, "ends") == ["done"])
    assert not lives(pid)
    assert "belongs to root" not in home.said()
    home.started[-1].terminate()
    assert home.started[-1].wait() == 143
