"""A machine that is as busy as a test wants it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from jobrunner.linux import processors


@pytest.fixture
def say_running(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Have the kernel's file say that so many threads run: with none, a processor is idle."""

    def say(running: int) -> Path:
        load = tmp_path_factory.mktemp("proc") / "loadavg"
        load.write_text(f"0.20 0.18 0.12 {running}/80 11206\n")
        monkeypatch.setattr(processors, "_LOAD", load)
        return load

    return say
