import os
from pathlib import Path

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.settings import ProcessSettings
from jobrunner.process.callable import CallableHandler
from jobrunner.process.choosing import check, handler_for
from jobrunner.process.command import CommandHandler
from jobrunner.process.environment import WORKER_VARIABLE


def test_the_settings_say_which_kind_of_handler_there_is(tmp_path: Path) -> None:
    assert handler_for(ProcessSettings(), tmp_path, "token") is None
    assert isinstance(handler_for(ProcessSettings(command=("true",)), tmp_path, "token"), CommandHandler)
    assert isinstance(handler_for(ProcessSettings(callable="a:b"), tmp_path, "token"), CallableHandler)
    assert WORKER_VARIABLE not in os.environ


def _put(path: Path, mode: int) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)


def test_handlers_that_can_start_pass_the_check(tmp_path: Path) -> None:
    _put(tmp_path / "tool", 0o755)
    (tmp_path / "analysis.py").touch()
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").touch()
    for settings in (
        ProcessSettings(),
        ProcessSettings(command=("sh", "x.sh")),
        ProcessSettings(command=("./tool",)),
        ProcessSettings(command=(str(tmp_path / "tool"),)),
        ProcessSettings(callable="analysis:process"),
        ProcessSettings(callable="pack.deep.module:process"),
        ProcessSettings(callable="json:loads"),
    ):
        check(settings, tmp_path)


@pytest.mark.parametrize(
    ("program", "make"),
    [
        ("no-such-program-anywhere", None),
        ("./no-such-file", None),
        ("/no/such/file", None),
        ("tool", "a program in the home without ./"),
        ("./tool", "a file that is not executable"),
        ("./folder", "a folder"),
    ],
)
def test_a_program_that_cannot_start_is_named(tmp_path: Path, program: str, make: str | None) -> None:
    if make:
        (tmp_path / "folder").mkdir()
        _put(tmp_path / "tool", 0o644 if program == "./tool" else 0o755)
    with pytest.raises(ConfigurationError) as caught:
        check(ProcessSettings(command=(program, "{data}")), tmp_path)
    assert f"the program {program} is not found, or not executable" in str(caught.value)


def test_a_module_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check(ProcessSettings(callable="no_such_module.inner:process"), tmp_path)
    assert f"no module no_such_module in {tmp_path}" in str(caught.value)
