"""A signal that was ignored when jobrunner was started stays ignored, for it and its handlers, but those it needs."""

import os
import re
import signal
import subprocess
from collections.abc import Iterable

import pytest

from tests.scripts import story
from tests.support import JOBRUNNER, TestHome, processes_of, wait_until

#: What the kernel says of the signals of a handler.
SIGNALS = '[process]\ncommand = ["sh", "-c", "grep ^Sig /proc/self/status"]\n[retry]\nmax_attempts = 1\n'


def start(home: TestHome, *words: str, ignored: Iterable[signal.Signals] = ()) -> subprocess.Popen[str]:
    """Start a program in a process group of its own, with just these signals ignored; ended when the test ends."""

    def ignore() -> None:
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=home.environment,
        process_group=0,
        preexec_fn=ignore,  # noqa: PLW1509  (tests have one thread)
    )
    home.started.append(process)
    return process


def command(home: TestHome, *words: str) -> list[str]:
    return [*JOBRUNNER, "--home", str(home.path), *words]


def is_done(home: TestHome, name: str) -> bool:
    return (home.archive / name).exists()


def is_known(home: TestHome, name: str) -> bool:
    return home.jobrunner("show", name).returncode == 0


def in_log(home: TestHome, name: str, field: str) -> set[signal.Signals]:
    """Which signals a handler found blocked (SigBlk) or ignored (SigIgn)."""
    found = re.search(rf"^{field}:\s*([0-9a-f]+)$", (home.logs / name / "1.log").read_text(), re.MULTILINE)
    assert found
    return {number for number in signal.valid_signals() if int(found[1], 16) >> (number - 1) & 1}


def test_under_nohup_a_hangup_ends_nothing_and_sigterm_all(home: TestHome) -> None:
    home.configure(SIGNALS)
    home.package("before")
    process = start(home, "nohup", *command(home, "run", "-n", "2"))
    wait_until(lambda: is_done(home, "before"))
    # supervisor, scanner, two workers, two guards; one worker can do all before the other has started
    tree = wait_until(lambda: len(found := processes_of(home)) == 6 and found)
    for pid in tree:
        os.kill(pid, signal.SIGHUP)
    home.package("after")
    wait_until(lambda: is_done(home, "after"))
    assert set(tree) <= set(processes_of(home))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert in_log(home, "after", "SigIgn") == {signal.SIGHUP}
    assert in_log(home, "after", "SigBlk") == set()


def test_in_the_background_of_a_script_ctrl_c_ends_nothing_and_sigterm_all(home: TestHome) -> None:
    home.configure(SIGNALS)
    home.package("before")
    process = start(home, "sh", "-c", '"$@" & echo $!; wait $!', "sh", *command(home, "run"))
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    wait_until(lambda: is_done(home, "before"))
    for each in processes_of(home):
        if each != process.pid:  # the script itself is not in the background
            os.kill(each, signal.SIGINT)
    home.package("after")
    wait_until(lambda: is_done(home, "after"))
    os.kill(pid, signal.SIGTERM)
    assert process.wait(30) == 143
    assert in_log(home, "after", "SigIgn") == {signal.SIGINT, signal.SIGQUIT}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_scanner_goes_on_where_the_signal_was_ignored(home: TestHome, number: signal.Signals) -> None:
    process = start(home, *command(home, "scan", "--watch"), ignored=[number])
    home.package("before")
    wait_until(lambda: is_known(home, "before"))
    process.send_signal(number)
    home.package("after")
    wait_until(lambda: is_known(home, "after"))
    other = signal.SIGTERM if number != signal.SIGTERM else signal.SIGINT
    process.send_signal(other)
    assert process.wait(30) == 128 + other


def test_where_sigterm_was_ignored_workers_still_end_with_their_supervisor(home: TestHome) -> None:
    home.configure(SIGNALS)
    process = start(home, *command(home, "run"), ignored=[signal.SIGTERM])
    home.package("before")
    wait_until(lambda: is_done(home, "before"))
    process.send_signal(signal.SIGTERM)
    home.package("after")
    wait_until(lambda: is_done(home, "after"))
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130  # sooner than after the grace of 30 s
    wait_until(lambda: not processes_of(home))


def test_otherwise_handlers_ignore_and_block_no_signal(home: TestHome) -> None:
    home.configure(SIGNALS)
    home.package("p")
    assert start(home, *command(home, "run", "--drain")).wait(60) == 0
    assert in_log(home, "p", "SigIgn") == set()
    assert in_log(home, "p", "SigBlk") == set()


@pytest.mark.parametrize("source", ["command", "callable"])
def test_how_a_handler_ended_is_known_where_sigchld_was_ignored(home: TestHome, source: str) -> None:
    home.handler("raise SystemExit(65)")
    if source == "callable":
        (home.path / "analysis.py").write_text("import os\ndef process(package): os._exit(3)")
        home.configure('[process]\ncallable = "analysis:process"\n[retry]\nmax_attempts = 1\n')
    home.package("p")
    process = start(home, *command(home, "run", "--drain"), ignored=[signal.SIGCHLD, signal.SIGUSR1])
    assert process.wait(60) == 1
    assert "exit status" in str(story(home).job.error)
    assert os.listdir(home.failed) == ["p"]
