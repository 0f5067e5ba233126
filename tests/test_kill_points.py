"""The tracer that the campaigns stand on, and a short part of the campaign of kill points."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.campaign.processes import children
from tests.campaign.scenarios import scenarios
from tests.campaign.tracer import PROCESS_CALLS, Call, Verdict, trace
from tests.support import clean_environment, wait_until

ROOT = Path(__file__).parent.parent

#: Renames in a grandchild, by way of a fork and a vfork (subprocess), a program and a thread.
RENAMES = """
import os, subprocess, sys, threading
if sys.argv[1:]:
    thread = threading.Thread(target=os.rename, args=("a", "b"))
    thread.start()
    thread.join()
    with open("c", "w") as file:
        file.write("after")
elif os.fork() == 0:
    os._exit(abs(subprocess.call([sys.executable, __file__, "again"])))
else:
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.fixture
def renames(tmp_path: Path) -> list[str]:
    (tmp_path / "renames.py").write_text(RENAMES)
    (tmp_path / "a").touch()
    return [sys.executable, "-I", "-S", str(tmp_path / "renames.py")]


def test_calls_are_seen_with_their_paths_results_bytes_and_processes(tmp_path: Path, renames: list[str]) -> None:
    seen: list[tuple[str, list[str], int | None, int]] = []
    written = []

    def note(call: Call) -> None:
        if any(path.startswith(str(tmp_path)) for path in call.paths):
            seen.append((call.name, [Path(path).name for path in call.paths], call.result, call.process.depth))
        if call.name == "write":
            written.append(call.written())

    assert trace(renames, on_exit=note, cwd=tmp_path).code == 0
    assert [(name, paths, depth) for name, paths, _, depth in seen] == [
        ("rename", ["a", "b"], 2),
        ("openat", ["c"], 2),
        ("write", ["c"], 2),
    ]
    assert [result for _, _, result, _ in seen if result == len("after")]
    assert b"after" in written


@pytest.mark.parametrize("verdict", Verdict)
def test_killed_at_its_entry_a_call_does_not_take_place(tmp_path: Path, renames: list[str], verdict: Verdict) -> None:
    ended = trace(renames, on_entry=lambda call: verdict if call.name == "rename" else None, cwd=tmp_path)
    assert ended.code == (-signal.SIGKILL if verdict is Verdict.KILL_TREE else signal.SIGKILL)
    assert ended.outlived is not None
    assert sorted(os.listdir(tmp_path)) == ["a", "renames.py"]


@pytest.mark.parametrize("verdict", Verdict)
def test_killed_at_its_exit_a_call_has_taken_place(tmp_path: Path, renames: list[str], verdict: Verdict) -> None:
    ended = trace(renames, on_exit=lambda call: verdict if call.name == "rename" else None, cwd=tmp_path)
    assert ended.code == (-signal.SIGKILL if verdict is Verdict.KILL_TREE else signal.SIGKILL)
    assert sorted(os.listdir(tmp_path)) == ["b", "renames.py"]


def test_a_process_killed_at_the_exit_of_its_fork_leaves_the_child(tmp_path: Path, renames: list[str]) -> None:
    ended = trace(
        renames,
        calls=PROCESS_CALLS,
        on_exit=lambda call: Verdict.KILL_PROCESS if call.name in {"fork", "clone"} else None,
        cwd=tmp_path,
    )
    assert ended.code == -signal.SIGKILL
    assert sorted(os.listdir(tmp_path)) == ["b", "c", "renames.py"], "and the trace lasts until that has ended"


def test_who_is_born_while_the_tree_is_killed_is_killed_too(tmp_path: Path) -> None:
    """Four processes fork again and again; a fifth, which shares a lock with them all, makes the fatal call."""
    fork_on = " if os.fork() == 0:\n  while True: os.fork() or os._exit(0)"
    program = f"import os\nfor _ in range(4):\n{fork_on}\nfor _ in range(9**5): pass\nos.mkdir('now')"
    for _ in range(5):
        lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where somebody from the run before lives
        os.set_inheritable(lock, True)
        trace(
            [sys.executable, "-I", "-S", "-c", program],
            on_entry=lambda call: Verdict.KILL_TREE if call.name == "mkdir" else None,
            cwd=tmp_path,
        )
        os.close(lock)


def test_signals_and_stops_are_passed_on(tmp_path: Path) -> None:
    script = "trap 'echo usr1 >> log' USR1; kill -USR1 $$; echo $$ > pid; kill -STOP $$; echo on >> log; kill -TERM $$"

    def go_on() -> None:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        pid = int((tmp_path / "pid").read_text())
        wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] in "Tt")
        os.kill(pid, signal.SIGCONT)

    helper = threading.Thread(target=go_on)
    helper.start()
    assert trace(["/bin/sh", "-c", script], on_exit=lambda call: None, cwd=tmp_path).code == -signal.SIGTERM
    helper.join()
    assert (tmp_path / "log").read_text() == "usr1\non\n"


def test_what_does_not_end_is_killed_and_said() -> None:
    with pytest.raises(TimeoutError, match="not ended after"):
        trace(["/bin/sh", "-c", "sleep 1000 & sleep 1000"], timeout=0.5)
    assert subprocess.run(["true"], check=False).returncode == 0


def test_other_children_of_this_process_are_not_waited_for() -> None:
    other = subprocess.Popen(["sleep", "1000"])
    try:
        assert trace(["true"], timeout=10).code == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.unmeasured
def test_a_function_is_traced_in_a_fork(tmp_path: Path) -> None:
    def program() -> None:
        os.mkdir("folder")
        sys.exit(3)

    seen = []
    assert trace(program, on_exit=lambda call: seen.append(call.paths), cwd=tmp_path).code == 3
    assert seen == [(str(tmp_path / "folder"),)]


@pytest.mark.unmeasured
def test_a_callback_that_raises_ends_everything(tmp_path: Path, renames: list[str]) -> None:
    def refuse(call: Call) -> None:
        raise RuntimeError(call.name)

    with pytest.raises(RuntimeError, match="rename"):
        trace(renames, on_entry=refuse, cwd=tmp_path)
    assert (tmp_path / "a").exists()
    of_ours = [_command_line(pid) for pid in children(os.getpid())]  # others may be orphans of other tests'
    assert renames[-1].encode() not in b"".join(of_ours)


def test_a_sample_of_the_kill_points(tmp_path: Path) -> None:
    """Some scenarios are recorded, and one kill is made in each; `make crash` does it with all."""
    drawn = random.sample(list(scenarios()), 12)
    assert "12 kills" in campaign(tmp_path, "--sample", "12", *(f"--scenario={name}" for name in drawn))


def test_the_error_of_a_package_that_lies_in_failed_is_replaced_in_one_step(tmp_path: Path) -> None:
    campaign(tmp_path, "--scenario", "recover-failed", "--point", "error")


def campaign(scratch: Path, *words: str) -> str:
    """Run kill points and return what is said of them; assert that each was hit and did no harm."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.campaign.kill_points", "--jobs", "2", *words],
        cwd=ROOT,
        env=clean_environment() | {"TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 not hit, 0 with faults" in ended.stdout
    return ended.stdout


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""
