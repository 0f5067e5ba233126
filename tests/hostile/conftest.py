"""Homes for hostile tests, in folders that every user can traverse; and that none of these tests is skipped unseen."""

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests import warm
from tests.hostile.interpreter import lay_out
from tests.hostile.support import USER, HostileHome

_ABROAD = "/dev/shm"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a change is tested before it lands (CI, as root), a test that is skipped shows nothing: it has failed."""
    report = yield
    if report.skipped and os.geteuid() == 0 and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped where no hostile test may be (CI, as root): {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The words that start a Python which every user can run."""
    if os.geteuid() != 0:
        pytest.skip("only root can be several users: run the tests of tests/hostile as root")
    with _folder(None) as folder:
        laid_out = lay_out(folder)
        warm.server(*laid_out)
        yield laid_out


@pytest.fixture
def home(request: pytest.FixtureRequest, python: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileHome]:
    with _folder(None) as ground, _folder(_ABROAD) as abroad:
        assert ground.stat().st_dev != abroad.stat().st_dev, "the tests need two filesystems: /tmp and /dev/shm"
        made = HostileHome(ground, abroad, getattr(request, "param", USER), python)
        monkeypatch.chdir(made.path)
        yield made
        made.end_all()
        monkeypatch.undo()


class _folder:  # noqa: N801
    """A folder that everybody can traverse, for a while. What is in it may be deeper than shutil.rmtree can go."""

    def __init__(self, where: str | None) -> None:
        self._path = Path(tempfile.mkdtemp(prefix="jobrunner-hostile-", dir=where))

    def __enter__(self) -> Path:
        self._path.chmod(0o755)
        return self._path

    def __exit__(self, *_: object) -> None:
        subprocess.run(["rm", "-rf", "--", self._path], check=True)
