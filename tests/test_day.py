"""A day in the life: 300 packages, and whoever looks after them asks ten questions, each answered by one command."""

import re
from collections.abc import Iterator

import pytest

from tests.support import BROKEN_ZIP, TestHome, wait_until

ANALYSIS = """
import threading
from pathlib import Path

def process(package):
    number = int(package.name[-4:])
    if package.name.startswith("long"):
        package.progress(40, 100, "aligning")
        while not Path(package.data.parent.parent.parent, "go").exists():
            threading.Event().wait(0.05)
    if number % 40 == 7:
        raise ValueError(f"cannot calibrate sensor {number}")
    if number % 60 == 13:
        raise KeyError("exposure")
"""


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestHome]:
    """A home at the end of a day: most is done, two packages run, three are queued behind them."""
    home = TestHome(tmp_path_factory.mktemp("day") / "home")
    (home.path / "analysis.py").write_text(ANALYSIS)
    home.configure('[process]\ncallable = "analysis:process"\n[retry]\nmax_attempts = 1\n')
    for number in range(290):
        home.package(f"scan-{number:04}")
    for name in ("cut-0001", "cut-0002"):
        _place(home, name, BROKEN_ZIP)
    (home.inbox / "scan-0300-downloading").mkdir()
    home.start("run", "-n", "2")
    wait_until(lambda: sum(home.counts()[state] for state in ("done", "failed")) == 292)
    for name in ("long-0001", "long-0002"):
        home.package(name)
    wait_until(lambda: home.counts()["running"] == 2)
    for name in ("scan-0291", "scan-0292", "scan-0293"):
        home.package(name)
    home.package("scan-0005")
    wait_until(lambda: home.counts()["queued"] == 3)
    yield home
    (home.path / "go").touch()
    home.end_all()


def _place(home: TestHome, name: str, content: bytes) -> None:
    arriving = home.inbox / f".{name}"
    arriving.mkdir()
    (arriving / f"{name}.zip").write_bytes(content)
    arriving.rename(home.inbox / name)


def answer(home: TestHome, *words: str) -> str:
    """What a command prints on a wide terminal's pipe."""
    result = home.jobrunner(*words, cwd=home.path)
    assert (result.returncode, result.stderr) == (0, ""), words
    return result.stdout


def test_is_it_alive(day: TestHome) -> None:
    assert re.match(r"working   2 workers and the scanner since \d\d:\d\d", answer(day, "status"))


def test_what_runs_and_how_far_is_it(day: TestHome) -> None:
    for name in ("long-0001", "long-0002"):
        assert re.search(rf"  {name}  handler: aligning, 40%  for \d+ s  worker \d+", answer(day, "status"))


def test_where_is_my_package(day: TestHome) -> None:
    said = answer(day, "explain", "scan-0004")
    assert said.startswith("scan-0004 was done at ")
    assert "It lies in archive/scan-0004." in said


def test_why_is_it_not_done_yet(day: TestHome) -> None:
    assert "scan-0293 is queued, behind 2 others." in answer(day, "explain", "scan-0293")


def test_why_has_it_not_even_begun(day: TestHome) -> None:
    assert "scan-0300-downloading" in answer(day, "status")
    assert "scan-0300" in answer(day, "explain", "scan-0300")


def test_what_failed_today_and_why(day: TestHome) -> None:
    lines = [line.strip() for line in answer(day, "status").splitlines()]
    counted = {line.split("x ", 1)[0].strip(): line for line in lines if re.match(r"\d+x ", line)}
    assert "cannot calibrate sensor" in counted["8"]
    assert "KeyError" in counted["5"]
    assert "zip" in counted["2"]


def test_which_failed_for_that_reason(day: TestHome) -> None:
    names = answer(day, "list", "--state", "failed", "--error", "*calibrate*", "--sort", "name", "--names").split()
    assert names == [f"scan-{number:04}" for number in range(7, 290, 40)]


def test_what_did_the_handler_say_of_one(day: TestHome) -> None:
    assert "ValueError: cannot calibrate sensor 47" in answer(day, "show", "scan-0047")
    assert "ValueError: cannot calibrate sensor 47" in answer(day, "logs", "scan-0047", "--tail", "1")


def test_what_was_sent_twice(day: TestHome) -> None:
    _, _, duplicates = answer(day, "status").partition("Duplicates (1)")
    assert "scan-0005" in duplicates
    assert "scan-0005" in answer(day, "explain", "inbox/scan-0005")


def test_how_much_was_done_and_is_anything_wrong_with_the_machine(day: TestHome) -> None:
    said = answer(day, "status")
    assert "277 done in the last hour" in said
    assert "trouble" not in said


def test_try_all_of_one_reason_again(day: TestHome) -> None:
    said = answer(day, "retry", "--state", "failed", "--error", "*calibrate*", "--dry-run")
    assert "scan-0287" in said
