"""What ps, top and htop show of each process."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from jobrunner.domain.package import shown
from jobrunner.process.environment import WORKER_VARIABLE
from tests.support import TestHome, processes_of, wait_until
from tests.warm import MARK

GATED = """
def process(package):
    print("begun", flush=True)
    open("gate").read()
"""
SHELL = '[process]\ncommand = ["/bin/sh", "-c", "echo begun; read line < gate; echo {data}"]\n'
CALLABLE = '[process]\ncallable = "analysis:process"\n'


@pytest.fixture(autouse=True)
def _commands_are_really_started(home: TestHome) -> None:
    """A title has the room of the command line with which a process was started."""
    home.is_warm = False


def titles(home: TestHome) -> list[str]:
    """The titles of a home's processes; a handler that is a command has its own."""
    found = []
    for pid in processes_of(home):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0"))
    return sorted(os.fsdecode(title) for title in found if title.startswith(b"jobrunner: "))


def start(home: TestHome, settings: str, name: str = "scan-0017") -> None:
    """Have two workers, of which one runs the handler on a package and waits for the gate to be opened."""
    (home.path / "analysis.py").write_text(GATED)
    home.configure(settings)
    os.mkfifo(home.path / "gate")
    home.package(name)
    home.start("run", "-n", "2")
    log = home.logs / name / "1.log"
    wait_until(lambda: log.exists() and "begun" in log.read_text())


def busy(home: TestHome) -> str:
    """The number of the worker that has the package."""
    [title] = [title for title in titles(home) if title.startswith("jobrunner: worker ") and "idle" not in title]
    return title.split()[2].rstrip(":")


@pytest.mark.parametrize("settings", [SHELL, CALLABLE], ids=["a command", "a callable"])
def test_each_process_says_which_one_it_is_and_what_it_is_at(home: TestHome, settings: str) -> None:
    start(home, settings)
    wait_until(lambda: any("idle" in title for title in titles(home)))
    number = int(busy(home))
    host = ["jobrunner: handler analysis:process: scan-0017"] * (settings == CALLABLE)
    assert titles(home) == sorted(
        [
            "jobrunner: guard 1",
            "jobrunner: guard 2",
            *host,
            "jobrunner: scanner",
            f"jobrunner: supervisor {home.path}",
            f"jobrunner: worker {number}: scan-0017",
            f"jobrunner: worker {3 - number}: idle",
        ]
    )
    (home.path / "gate").write_text("\n")
    idle = ["jobrunner: worker 1: idle", "jobrunner: worker 2: idle"]
    wait_until(lambda: titles(home)[-2:] == idle)
    assert [title for title in titles(home) if "handler" in title] == [
        "jobrunner: handler analysis:process: idle"
    ] * len(host)


def test_top_shows_their_beginnings_and_recovery_finds_the_guard_by_its_own(home: TestHome) -> None:
    start(home, SHELL)
    names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in processes_of(home)]
    assert sorted(name for name in names if name.startswith("jobrunner")) == [
        "jobrunner-guard",
        "jobrunner-guard",
        "jobrunner: scan",
        "jobrunner: supe",
        "jobrunner: work",
        "jobrunner: work",
    ]
    (home.path / "gate").write_text("\n")


@pytest.mark.parametrize(
    "name",
    ["two words", "line\nJOBRUNNER_WORKER=x", "\x1b[2Jgone", "\u202eevil", os.fsdecode(b"\xff"), "ä" * 120],
    ids=["spaces", "line", "escape", "bidi", "bytes", "long"],
)
def test_a_packages_name_is_escaped_and_cut(home: TestHome, name: str) -> None:
    start(home, CALLABLE, name)
    visible = titles(home)
    assert all(title.encode("utf-8", "surrogateescape").decode("utf-8", "ignore").isprintable() for title in visible)
    worker = next(title for title in visible if title.startswith("jobrunner: worker") and not title.endswith(": idle"))
    assert worker.partition(": ")[2].partition(": ")[2].startswith(shown(name)[:20])
    (home.path / "gate").write_text("\n")
    wait_until(lambda: home.counts()["done"] == 1)


def test_the_environment_stays_as_it_was_for_recovery_to_find_it(home: TestHome) -> None:
    start(home, CALLABLE)
    for pid in processes_of(home):
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert os.fsencode(f"{MARK}={home.path}") in environment
        is_handler = Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"jobrunner: handler")
        assert any(each.startswith(f"{WORKER_VARIABLE}=".encode()) for each in environment) == is_handler
    (home.path / "gate").write_text("\n")


def test_a_scanner_of_its_own_says_of_which_home(home: TestHome) -> None:
    home.start("scan", "--watch")
    wait_until(lambda: titles(home) == [f"jobrunner: scanner {home.path}"])
