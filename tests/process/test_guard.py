import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.exits import BUG
from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import Package
from jobrunner.linux import kernel
from jobrunner.process import guarding
from jobrunner.process.callable import CallableHandler
from jobrunner.process.command import CommandHandler
from jobrunner.process.guard import Guard
from jobrunner.process.handler import Call, Handler
from jobrunner.process.killing import Left, descendants
from jobrunner.process.presence import Presence
from tests.scripts import BOMB, PRELUDE, journal, lives, parent_of
from tests.support import PATIENCE, children_of, clean_environment, kill, wait_until
from tests.unkillable import dead_disk

DEAF = "for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)\n"

MakeGuard = Callable[..., Guard]


@pytest.fixture
def make_guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeGuard]:
    """Makes guards, each ended with the test."""
    presence = Presence(tmp_path_factory.mktemp("presence"))
    made: list[Guard] = []

    def make(handler: Handler, timeout: float = 60.0) -> Guard:
        made.append(Guard(handler, timeout=timeout, present=presence.appear(), give_up=lambda error: BUG))
        return made[-1]

    yield make
    for guard in made:
        with suppress(ChildProcessError, OSError):
            guard.close()
    kernel._prctl(kernel._PR_SET_CHILD_SUBREAPER, 0)  # what other tests orphan is init's again


def _command(home: Path, source: str, *words: str) -> CommandHandler:
    (home / "handler.py").write_text(PRELUDE + source)
    return CommandHandler((*words, sys.executable, "handler.py"), home, clean_environment())


def _call(home: Path, name: str = "p", attempt: int = 1) -> Call:
    package = Package(name, home, home / f"{name}.zip", attempt, home)
    return Call(package, str(home / f"{name}-{attempt}.log"), str(home / "progress"))


def nobody_left(left: Sequence[Left]) -> None:
    assert not left


def _pid(home: Path, word: str) -> int:
    return journal(home, word)[-1].pid


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        ("pass", Outcome.DONE),
        ("sys.exit(1)", Outcome.FAILED),
        ("sys.exit(65)", Outcome.REJECTED),
        ("sys.exit(75)", Outcome.LATER),
        ("os.kill(os.getpid(), signal.SIGKILL)", Outcome.FAILED),
    ],
)
def test_whatever_the_handlers_end_what_it_left_running_is_gone(
    tmp_path: Path, make_guard: MakeGuard, end: str, outcome: Outcome
) -> None:
    guard = make_guard(_command(tmp_path, f"note('escaped', escape())\n{end}"))
    assert guard.run(_call(tmp_path), nobody_left).outcome is outcome
    assert not lives(_pid(tmp_path, "escaped"))


def test_at_the_timeout_the_handler_and_what_escaped_from_it_are_gone(tmp_path: Path, make_guard: MakeGuard) -> None:
    guard = make_guard(_command(tmp_path, "note('start'); note('escaped', escape()); signal.pause()"), timeout=2)
    assert guard.run(_call(tmp_path), nobody_left) == HandlerResult(
        Outcome.FAILED, "the handler was ended after its timeout of 2 s"
    )
    assert not lives(_pid(tmp_path, "start"))
    assert not lives(_pid(tmp_path, "escaped"))


def test_a_handler_has_time_to_clean_up_after_sigterm(
    tmp_path: Path, make_guard: MakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "TERM_SECONDS", 30.0)
    source = "signal.signal(signal.SIGTERM, lambda *_: (note('cleaned'), sys.exit(0)))\nnote('start')\nsignal.pause()"
    guard = make_guard(_command(tmp_path, source), timeout=2)
    start = time.monotonic()
    result = guard.run(_call(tmp_path), nobody_left)
    assert (result.outcome, result.error) == (Outcome.FAILED, "the handler was ended after its timeout of 2 s")
    assert [note.word for note in journal(tmp_path)] == ["start", "cleaned"]
    assert time.monotonic() - start < 30


def test_a_handler_that_ignores_sigterm_is_killed(
    tmp_path: Path, make_guard: MakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "TERM_SECONDS", 0.3)
    source = DEAF + "note('start')\nif os.fork() == 0: note('child')\nwhile True: signal.pause()"
    guard = make_guard(_command(tmp_path, source), timeout=2)
    start = time.monotonic()
    assert "timeout of 2 s" in guard.run(_call(tmp_path), nobody_left).error
    assert 2.3 <= time.monotonic() - start < PATIENCE
    assert not lives(_pid(tmp_path, "start"))
    assert not lives(_pid(tmp_path, "child"))


def test_the_whole_process_group_gets_sigterm(tmp_path: Path, make_guard: MakeGuard) -> None:
    source = """
child = os.fork()
def end(*_):
    if child:
        os.waitpid(child, 0)
    note("parent" if child else "child")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("ready")
signal.pause()
"""
    guard = make_guard(_command(tmp_path, source), timeout=2)
    guard.run(_call(tmp_path), nobody_left)
    assert [note.word for note in journal(tmp_path)] == ["ready", "ready", "child", "parent"]


def test_one_guard_serves_one_package_after_another(tmp_path: Path, make_guard: MakeGuard) -> None:
    source = "note('start')\nif NAME == 'slow': signal.pause()\nsys.exit(int(NAME.startswith('bad')))"
    guard = make_guard(_command(tmp_path, source), timeout=2)
    results = [guard.run(_call(tmp_path, name), nobody_left).outcome for name in ("good", "bad", "slow", "good2")]
    assert results == [Outcome.DONE, Outcome.FAILED, Outcome.FAILED, Outcome.DONE]
    assert [note.package for note in journal(tmp_path)] == ["good", "bad", "slow", "good2"]


def _elf(machine: int) -> bytes:
    program = bytearray(Path(sys.executable).resolve().read_bytes())
    program[18:20] = machine.to_bytes(2, sys.byteorder)
    return bytes(program)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (b"#!/no/such/interpreter\n", "names cannot be used: /no/such/interpreter is not there"),
        (b"#!/bin/sh\r\n", "end as on Windows (CRLF)"),
        (b"echo no first line", "is no program, and its first line names no interpreter, as #!/bin/sh does"),
        (b"MZ\0", "is made for Windows"),
        (_elf(0xFFFF), "is made for another processor, or for a Linux with other libraries"),
        (_elf(62).replace(b"/lib64/ld-linux", b"/lib64/no-linux"), "or for a Linux with other libraries"),
        (b"", "is no program"),
        (None, "is not there"),
    ],
)
def test_a_program_that_does_not_start_is_a_failure_and_the_guard_goes_on(
    tmp_path: Path, make_guard: MakeGuard, program: bytes | None, why: str
) -> None:
    tool = tmp_path / "tool"
    if program is not None:
        tool.write_bytes(program)
        tool.chmod(0o755)
    guard = make_guard(CommandHandler((str(tool),), tmp_path, clean_environment()))
    result = guard.run(_call(tmp_path), nobody_left)
    assert result.outcome is Outcome.FAILED
    assert result.error.startswith("the handler cannot be started: ")
    assert str(tool) in result.error
    assert why in result.error
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert guard.run(_call(tmp_path), nobody_left).outcome is Outcome.DONE


def test_a_program_that_is_just_being_written_is_the_machines_fault(tmp_path: Path, make_guard: MakeGuard) -> None:
    tool = tmp_path / "tool"
    guard = make_guard(CommandHandler((str(tool),), tmp_path, clean_environment()))
    with tool.open("w") as file:
        tool.chmod(0o755)
        file.write("#!/bin/sh\n")
        result = guard.run(_call(tmp_path), nobody_left)
        assert result.outcome is Outcome.FAULT
        assert "cannot be started: Text file busy" in result.error
    assert guard.run(_call(tmp_path), nobody_left).outcome is Outcome.DONE


def test_a_home_that_is_not_there_is_the_machines_fault(tmp_path: Path, make_guard: MakeGuard) -> None:
    guard = make_guard(CommandHandler(("/bin/sh", "-c", ""), tmp_path / "home", clean_environment()))
    result = guard.run(_call(tmp_path), nobody_left)
    assert result.outcome is Outcome.FAULT
    (tmp_path / "home").mkdir()
    assert guard.run(_call(tmp_path), nobody_left).outcome is Outcome.DONE


def test_a_handler_starts_with_nothing_of_ours(tmp_path: Path, make_guard: MakeGuard) -> None:
    source = """
word = f"{sorted(os.listdir('/proc/self/fd'))}|{os.readlink('/proc/self/fd/0')}|{os.getcwd() == str(HOME)}|"
word += f"{os.getpgid(0) == os.getpid()}|{signal.pthread_sigmask(signal.SIG_BLOCK, [])}|"
word += f"{signal.getsignal(signal.SIGTERM) == signal.getsignal(signal.SIGHUP) == signal.SIG_DFL}"
note(word.replace(" ", ""))
"""
    handler = _command(tmp_path, source)
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        make_guard(handler).run(_call(tmp_path), nobody_left)
    finally:
        os.close(read)
        os.close(write)
    assert [note.word for note in journal(tmp_path)] == ["['0','1','2','3']|/dev/null|True|True|set()|True"]


def test_the_guard_bears_the_signals_of_a_terminal(tmp_path: Path, make_guard: MakeGuard) -> None:
    source = "for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): os.kill(os.getppid(), number)"
    guard = make_guard(_command(tmp_path, source))
    assert guard.run(_call(tmp_path), nobody_left).outcome is Outcome.DONE
    assert guard.run(_call(tmp_path), nobody_left).outcome is Outcome.DONE


def test_close_ends_the_guard_and_the_host_of_a_callable(tmp_path: Path, make_guard: MakeGuard) -> None:
    (tmp_path / "analysis.py").write_text(PRELUDE + "def process(package): note('start')")
    guard = make_guard(CallableHandler("analysis:process", tmp_path, clean_environment()))
    assert guard.run(_call(tmp_path), nobody_left).outcome is Outcome.DONE
    host = _pid(tmp_path, "start")
    assert lives(host)
    pid = guard._pid
    guard.close()
    assert not lives(host)
    assert not lives(pid)


def test_who_asks_a_guard_that_was_killed_gets_no_answer(tmp_path: Path, make_guard: MakeGuard) -> None:
    guard = make_guard(_command(tmp_path, "note('start'); os.kill(int(DATA.name), signal.SIGKILL)"))
    package = Package("p", tmp_path / str(guard._pid), tmp_path, 1, tmp_path)
    call = Call(package, str(tmp_path / "log"), str(tmp_path / "progress"))
    with pytest.raises(JobrunnerError, match="the guard of this worker was killed"):
        guard.run(call, nobody_left)
    handler = _pid(tmp_path, "start")
    wait_until(lambda: not lives(handler))


# A worker: forks its guard, and asks it to run the handler. Its command line: the home, and what to run.
WORKER = """
import sys
from pathlib import Path
from jobrunner.domain.package import Package
from jobrunner.process.callable import CallableHandler
from jobrunner.process.command import CommandHandler
from jobrunner.process.guard import Guard
from jobrunner.process.handler import Call
from jobrunner.process.presence import Presence
import os
home = Path(sys.argv[1])
if sys.argv[2] == "callable":
    handler = CallableHandler("handler:process", home, dict(os.environ))
else:
    handler = CommandHandler((sys.executable, "handler.py"), home, dict(os.environ))
guard = Guard(handler, timeout=600, present=Presence(home / "workers").appear(), give_up=lambda error: 70)
print("ready", flush=True)
if sys.argv[3] == "busy":
    package = Package("p", home, home / "p.zip", 1, home)
    guard.run(Call(package, str(home / "log"), str(home / "progress")), lambda left: None)
sys.stdin.read()
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process with a guard; killed at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def start(kind: str = "command", does: str = "busy") -> subprocess.Popen[str]:
        words = [sys.executable, "-c", WORKER, str(tmp_path), kind, does]
        pipe = subprocess.PIPE
        process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=clean_environment())
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["command", "callable"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_when_the_worker_dies_in_mid_handler_everything_is_ended(
    tmp_path: Path, worker: Callable[..., subprocess.Popen[str]], kind: str, number: signal.Signals
) -> None:
    body = f"{DEAF}note('start')\nnote('escaped', escape())\nwhile True: signal.pause()\n"
    if kind == "callable":
        body = "def process(package):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    (tmp_path / "handler.py").write_text(PRELUDE + body)
    process = worker(kind)
    wait_until(lambda: journal(tmp_path, "escaped"))
    handler, escaped = _pid(tmp_path, "start"), _pid(tmp_path, "escaped")
    (guard,) = children_of(process.pid)
    assert Path(f"/proc/{guard}/comm").read_text() == "jobrunner-guard\n"
    assert parent_of(handler) == parent_of(escaped) == guard
    process.send_signal(number)
    wait_until(lambda: not any(lives(pid) for pid in (process.pid, guard, handler, escaped)))


def test_when_an_idle_worker_dies_its_guard_ends(worker: Callable[..., subprocess.Popen[str]]) -> None:
    process = worker(does="idle")
    (guard,) = children_of(process.pid)
    process.kill()
    wait_until(lambda: not lives(guard))


def test_when_guard_and_worker_die_together_the_handler_dies_too(
    tmp_path: Path, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    (tmp_path / "handler.py").write_text(PRELUDE + DEAF + "note('start')\nwhile True: signal.pause()")
    process = worker()
    wait_until(lambda: journal(tmp_path, "start"))
    handler = _pid(tmp_path, "start")
    (guard,) = children_of(process.pid)
    for pid in (process.pid, guard):
        os.kill(pid, signal.SIGSTOP)
    for pid in (guard, process.pid):
        kill(pid)
    wait_until(lambda: not lives(handler))


def test_what_a_stopped_handler_leaves_is_ended_at_the_timeout(
    tmp_path: Path, make_guard: MakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "TERM_SECONDS", 0.2)
    guard = make_guard(_command(tmp_path, "note('start'); os.kill(os.getpid(), signal.SIGSTOP)"), timeout=2)
    assert "timeout" in guard.run(_call(tmp_path), nobody_left).error
    assert not lives(_pid(tmp_path, "start"))


def _callable(home: Path, body: str) -> CallableHandler:
    (home / "analysis.py").write_text(PRELUDE + "import pickle, stat\n" + f"def process(package):\n    {body}\n")
    return CallableHandler("analysis:process", home, clean_environment())


@pytest.mark.parametrize(
    "leaves",
    ["note('escaped', escape())", "__import__('threading').Thread(target=signal.pause).start()", "signal.pause()"],
    ids=["a child", "a thread", "itself"],
)
def test_an_old_host_that_leaves_something_or_does_not_end_is_ended_with_it(
    tmp_path: Path, make_guard: MakeGuard, leaves: str
) -> None:
    """The second package is answered by it, too: what it has answered counts."""
    source = f"""
import atexit
def leave():
    {leaves}
atexit.register(leave)
def process(package):
    note("start")
    for line in open(HOME / "journal"):
        if line.startswith("escaped") and os.path.exists(f"/proc/{{line.split()[3]}}"):
            note("left")
"""
    (tmp_path / "analysis.py").write_text(PRELUDE + source)
    guard = make_guard(CallableHandler("analysis:process", tmp_path, clean_environment(), recycle_after=2))
    for name in ("p", "q"):
        assert guard.run(_call(tmp_path, name), nobody_left).outcome is Outcome.DONE
    assert guard.run(_call(tmp_path, "r"), nobody_left).outcome is Outcome.DONE
    first, second, third = (note.pid for note in journal(tmp_path, "start"))
    assert first == second != third
    assert [pid for pid, _ in descendants(guard._pid)] == [third]
    assert journal(tmp_path, "left") == []


#: Writes into all sockets that the process has: one that leads to the guard is among them.
WRITE = (
    "[os.write(n, {}) for n in map(int, os.listdir('/proc/self/fd')) "
    "if os.path.exists(f'/proc/self/fd/{{n}}') and stat.S_ISSOCK(os.fstat(n).st_mode)]"
)


@pytest.mark.parametrize(
    "garbage",
    ["b'garbage'", "b'[' * 100_000", "pickle.dumps(Path)", "'[\"done\"]'.encode()", "b'{}'", "b'x' * 190_000"],
)
def test_garbage_from_a_callable_is_its_failure_and_the_guard_goes_on(
    tmp_path: Path, make_guard: MakeGuard, garbage: str
) -> None:
    guard = make_guard(_callable(tmp_path, f"package.name == 'bad' and {WRITE.format(garbage)}"))
    assert guard.run(_call(tmp_path), nobody_left).outcome is Outcome.DONE
    assert guard.run(_call(tmp_path, "bad"), nobody_left) == HandlerResult(
        Outcome.FAILED, "the handler wrote into the connection on which its result is sent"
    )
    assert guard.run(_call(tmp_path, "p"), nobody_left).outcome is Outcome.DONE


def test_a_callable_that_closes_its_connection_fails_and_holds_up_no_other(
    tmp_path: Path, make_guard: MakeGuard
) -> None:
    guard = make_guard(_callable(tmp_path, "if package.name == 'bad': os.closerange(3, 9999); signal.pause()"))
    assert guard.run(_call(tmp_path, "bad"), nobody_left) == HandlerResult(
        Outcome.FAILED, "the handler closed the connection on which its result is sent"
    )
    assert guard.run(_call(tmp_path), nobody_left).outcome is Outcome.DONE


#: Takes the guard's end of its connection to the worker (pidfd_getfd(2)) and sends something: there is no such place
#: for a handler to write to, unless it looks for one.
INJECT = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
handle = os.pidfd_open(os.getppid())
for number in os.listdir(f"/proc/{os.getppid()}/fd"):
    taken = libc.syscall(438, handle, int(number), 0)
    if taken >= 0 and os.readlink(f"/proc/self/fd/{taken}").startswith("socket:"):
        os.write(taken, GARBAGE)
signal.pause()
"""


@pytest.mark.parametrize("garbage", ["b'garbage'", "b'{\"left\": [[]]}'", "b'[\"done\", 7]'", "b'[' * 100_000"])
def test_garbage_in_place_of_the_guards_answer_ends_the_guard_and_all_below(
    tmp_path: Path, make_guard: MakeGuard, garbage: str
) -> None:
    source = f"GARBAGE = {garbage}\nnote('start')\nnote('escaped', vanish()){INJECT}"
    guard = make_guard(_command(tmp_path, source))
    with pytest.raises(JobrunnerError, match="the guard of this worker was killed"):
        guard.run(_call(tmp_path), nobody_left)
    assert not lives(_pid(tmp_path, "start"))
    assert not lives(_pid(tmp_path, "escaped"))


def test_what_a_killed_guard_leaves_is_gone_before_the_worker_hears_of_it(
    tmp_path: Path, make_guard: MakeGuard
) -> None:
    """In no control group and no session that anybody knows of, and without an environment."""
    guard = make_guard(_command(tmp_path, "note('escaped', vanish()); os.kill(os.getppid(), signal.SIGKILL)"))
    with pytest.raises(JobrunnerError, match="the guard of this worker was killed"):
        guard.run(_call(tmp_path), nobody_left)
    assert not lives(_pid(tmp_path, "escaped"))


def test_a_guard_that_its_handler_stops_goes_on(tmp_path: Path, make_guard: MakeGuard) -> None:
    guard = make_guard(_command(tmp_path, "os.kill(os.getppid(), signal.SIGSTOP)"))
    for _ in range(2):
        assert guard.run(_call(tmp_path), nobody_left).outcome is Outcome.DONE


def test_a_guard_that_is_stopped_while_nothing_runs_goes_on(tmp_path: Path, make_guard: MakeGuard) -> None:
    guard = make_guard(_command(tmp_path, ""))
    os.kill(guard._pid, signal.SIGSTOP)
    assert guard.run(_call(tmp_path), nobody_left).outcome is Outcome.DONE


def test_a_handler_that_stops_its_guard_without_end_is_ended_with_it(tmp_path: Path, make_guard: MakeGuard) -> None:
    source = "note('start')\nwhile True: os.kill(GUARD, signal.SIGSTOP)"
    guard = make_guard(_command(tmp_path, f"GUARD = os.getppid()\n{source}"))
    with pytest.raises(JobrunnerError, match="was stopped again and again: the worker ends, too"):
        guard.run(_call(tmp_path), nobody_left)
    assert not lives(_pid(tmp_path, "start"))


def test_a_handler_that_forks_without_end_is_gone_at_its_timeout(tmp_path: Path, make_guard: MakeGuard) -> None:
    """Each in a session of its own, as many as it wants at once."""
    guard = make_guard(_command(tmp_path, BOMB), timeout=2.0)
    assert "timeout" in guard.run(_call(tmp_path), nobody_left).error
    assert list(descendants(guard._pid)) == []


def test_a_handler_that_one_of_its_own_traces_does_not_outlive_its_end(tmp_path: Path, make_guard: MakeGuard) -> None:
    """The kernel keeps a traced process, though it is dead, for the tracer, even from its parent."""
    source = """
import ctypes
read, write = os.pipe()
traced = os.getpid()
if os.fork() == 0:
    os.setsid()
    assert ctypes.CDLL(None).ptrace(0x4206, traced, 0, 0) == 0  # PTRACE_SEIZE
    os.write(write, b"1")
    note("tracer")
    while True: signal.pause()
os.read(read, 1)
"""
    guard = make_guard(_command(tmp_path, source))
    assert guard.run(_call(tmp_path), nobody_left).outcome is Outcome.DONE
    assert not lives(_pid(tmp_path, "tracer"))


def test_what_waits_for_a_dead_disk_is_told_and_its_end_awaited(tmp_path: Path, make_guard: MakeGuard) -> None:
    with dead_disk(tmp_path / "disk") as disk:
        source = f"""
note("escaped", escape())
child = os.fork()
if child == 0: os.stat("{disk.folder}/file")
while not os.path.exists(f"{disk.folder}-{{child}}"): pass
note("child", child)
"""
        guard = make_guard(_command(tmp_path, source))
        told: list[Sequence[Left]] = []

        def held_up(left: Sequence[Left]) -> None:
            told.append(left)
            assert not lives(_pid(tmp_path, "escaped"))
            disk.take_away()

        assert guard.run(_call(tmp_path), held_up).outcome is Outcome.DONE
        assert told == [[Left(_pid(tmp_path, "child"), None)]]
        assert not lives(_pid(tmp_path, "child"))
