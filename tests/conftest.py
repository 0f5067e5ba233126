"""The one fixture that most tests need, and what makes the dangerous thing impossible."""

import gc
import random
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
#: Scenarios: whole processes, with each fault, kill and stranger by itself. They take by far the most of the time.
_SCENARIOS = ("tests/cluster/", "tests/crash_table/", "tests/hostile/", "tests/test_", "tests/unzip/test_corpus.py")
#: Of these, what jobrunner is for and what its documents show is always run.
_ALWAYS = (
    *("tests/test_concurrency.py", "tests/test_day.py", "tests/test_end_to_end.py", "tests/test_handlers.py"),
    *("tests/test_kill_points.py", "tests/test_processes.py", "tests/test_readme.py", "tests/test_settings_errors.py"),
    *("tests/test_structure.py", "tests/test_way_of_a_job.py", "tests/test_wheel.py"),
)
#: Of so many of the others one is drawn.
_OF = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    what = f"of the scenarios of faults, kills and strangers run one in {_OF}, drawn by this seed (else: all)"
    parser.addoption("--draw", metavar="SEED", help=what)


def pytest_collection() -> None:
    """Look for no garbage while thousands of tests are found: that takes each worker a fifth longer."""
    gc.disable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        return item.nodeid.startswith(_LAST) - item.nodeid.startswith(_FIRST)

    items.sort(key=turn)
    seed = config.getoption("--draw")
    if seed is not None:
        left = {item for item in items if not _is_drawn(item.nodeid, seed)}
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


def _is_drawn(test: str, seed: str) -> bool:
    """Say whether a test is run: of the scenarios those that a seed draws, whichever others there are."""
    is_scenario = test.startswith(_SCENARIOS) and not test.startswith(_ALWAYS)
    return not is_scenario or random.Random(f"{seed} {test}").randrange(_OF) == 0


def pytest_report_header(config: pytest.Config) -> str | None:
    seed = config.getoption("--draw")
    return seed and f"scenarios of faults, kills and strangers: one in {_OF}, drawn by --draw {seed}; all: make crash"


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
