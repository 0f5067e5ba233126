"""The one fixture that most tests need, and what makes the dangerous thing impossible."""

import gc
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import warm
from tests.support import TestHome

#: Each worker of xdist begins with a part of the tests in their order, and takes from the end of another's when it has
#: done its own. So what takes long begins early, and what is taken is short; and one worker has the browser's tests,
#: with the browser and the homes that they share, as one has those of a cluster.
_FIRST = ("tests/web/browser/", "tests/cluster/", "tests/test_kill_points.py", "tests/test_power_loss.py")
_LAST = ("tests/domain/", "tests/store/", "tests/unzip/")


def pytest_collection() -> None:
    """Look for no garbage while thousands of tests are found: that takes each worker a fifth longer."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        return item.nodeid.startswith(_LAST) - item.nodeid.startswith(_FIRST)

    items.sort(key=turn)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def _commands_begin_as_at_a_terminal() -> None:
    """A shell starts what runs in the background with SIGINT ignored, nohup with SIGHUP, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    warm.server(sys.executable)


@pytest.fixture(autouse=True)
def _nobody_elses_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test can reach a home of the person who runs it."""
    monkeypatch.chdir(tmp_path)
    for name in ("JOBRUNNER_HOME", "JOBRUNNER_FOLDERS_INBOX", "JOBRUNNER_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A folder that every user can reach, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="jobrunner-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)  # however deep


@pytest.fixture
def home(tmp_path: Path) -> Iterator[TestHome]:
    made = TestHome(tmp_path / "home")
    yield made
    made.end_all()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests a browser has run: .ci/run wants to know."""
    ended = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    count = sum(report.nodeid.startswith("tests/web/browser/") and report.when == "call" for report in ended)
    if count:
        terminalreporter.write_line(f"Tests that a real Chromium ran: {count}")
