import os
import subprocess
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


def _put(path: Path, mode: int, script: str = "#!/bin/sh\n") -> None:
    path.write_bytes(script.encode())
    path.chmod(mode)


def test_handlers_that_can_start_pass_the_check(tmp_path: Path) -> None:
    _put(tmp_path / "tool", 0o755)
    _put(tmp_path / "flagged", 0o755, "#!/bin/sh -e\r\n")  # what it is to make of that is for the interpreter to say
    _put(tmp_path / "binary", 0o755, "\0")
    _put(tmp_path / "empty", 0o755, "#!\n")
    (tmp_path / "analysis.py").touch()
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").touch()
    for settings in (
        ProcessSettings(),
        ProcessSettings(command=("sh", "x.sh")),
        ProcessSettings(command=("./tool",)),
        ProcessSettings(command=("./flagged",)),
        ProcessSettings(command=("./binary",)),
        ProcessSettings(command=("./empty",)),
        ProcessSettings(command=(str(tmp_path / "tool"),)),
        ProcessSettings(callable="analysis:process"),
        ProcessSettings(callable="pack.deep.module:process"),
        ProcessSettings(callable="json:loads"),
    ):
        check(settings, tmp_path)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("no-such-program", "the program no-such-program is not found in PATH"),
        ("./no-such-file", "the program HOME/no-such-file is not there"),
        ("/no/such/file", "the program /no/such/file is not there"),
        ("tool", "the program tool is not found in PATH: write ./tool for the one in HOME"),
        ("./plain", "the program HOME/plain may not be executed: chmod +x HOME/plain"),
        ("./folder", "the program HOME/folder is a folder"),
        ("./tool/x", "the program HOME/tool/x cannot be reached: Not a directory"),
        ("./loop", "the program HOME/loop cannot be reached: Too many levels of symbolic links"),
        ("./lost", "the interpreter that HOME/lost names cannot be used: /no/such is not there"),
        ("./spaced", "the interpreter that HOME/spaced names cannot be used: HOME/plain may not be executed"),
        ("./itself", "the interpreter that HOME/itself names cannot be used: HOME/folder is a folder"),
        ("./crlf", "the lines of HOME/crlf end as on Windows (CRLF), and so does its interpreter's name: sed -i"),
        ("./crlf-env", "the lines of HOME/crlf-env end as on Windows (CRLF), and so does its interpreter's name"),
    ],
)
def test_why_a_program_cannot_start_is_said_with_what_to_do(tmp_path: Path, program: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    _put(tmp_path / "tool", 0o755)
    _put(tmp_path / "plain", 0o644)
    _put(tmp_path / "lost", 0o755, "#!/no/such\n")
    _put(tmp_path / "spaced", 0o755, "#! \tplain -x\n")
    _put(tmp_path / "itself", 0o755, "#!folder\n")
    _put(tmp_path / "crlf", 0o755, "#!/bin/sh\r\nexit\r\n")
    _put(tmp_path / "crlf-env", 0o755, "#!/usr/bin/env python3\r\n")
    with pytest.raises(ConfigurationError) as caught:
        check(ProcessSettings(command=(program, "{data}")), tmp_path)
    assert f"process.command: {why.replace('HOME', str(tmp_path))}" in str(caught.value)


def test_a_program_is_looked_for_where_its_own_environment_says(tmp_path: Path) -> None:
    _put(tmp_path / "tool", 0o755)
    check(ProcessSettings(command=("tool",), environment=(("PATH", str(tmp_path)),)), tmp_path)
    with pytest.raises(ConfigurationError, match="not found in PATH"):
        check(ProcessSettings(command=("sh",), environment=(("PATH", str(tmp_path)),)), tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")
def test_a_disk_from_which_nothing_may_be_started_is_named(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "none", tmp_path], check=True)
    try:
        _put(tmp_path / "tool", 0o755)
        with pytest.raises(ConfigurationError, match=r"is on a disk from which nothing may be started \(noexec\)"):
            check(ProcessSettings(command=("./tool",)), tmp_path)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_module_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check(ProcessSettings(callable="no_such_module.inner:process"), tmp_path)
    assert f"no module no_such_module in {tmp_path}" in str(caught.value)
