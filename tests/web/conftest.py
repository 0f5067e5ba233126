import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import TestHome
from tests.web.served import Dashboard

Serve = Callable[..., Dashboard]


@pytest.fixture
def serve(home: TestHome, tmp_path: Path) -> Iterator[Serve]:
    """Serves the home, and verifies at the end that it has met no bug."""
    served: list[Dashboard] = []
    folder = tmp_path / "served"
    folder.mkdir()

    def begin(*words: str) -> Dashboard:
        served.append(Dashboard(home, words, folder))
        return served[-1]

    yield begin
    for each in served:
        if not each.process.answers.closed:
            each.end(signal.SIGKILL)
        assert each.errors.read_text() == ""
    assert list(home.path.glob("jobrunner-bug-*")) == []
