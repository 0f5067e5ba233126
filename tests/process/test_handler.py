import os
from pathlib import Path

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.package import Package
from jobrunner.domain.settings import ProcessSettings
from jobrunner.process.handler import (
    WORKER_VARIABLE,
    CallableHandler,
    CommandHandler,
    check,
    command_line,
    handler_for,
    package_environment,
)

PACKAGE = Package("scan-1", Path("/w/1-2/data"), Path("/w/1-2/package/scan-1.zip"), 2, Path("/home/of/it"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("prog", "{data}"), ("prog", "/w/1-2/data")),
        (("prog", "{package}"), ("prog", "scan-1")),
        (("prog", "{home}/x.py"), ("prog", "/home/of/it/x.py")),
        (("prog", "--try={attempt}"), ("prog", "--try=2")),
        (("{home}/prog", "{package}-{attempt}", "{data}{data}"), ("/home/of/it/prog", "scan-1-2", "/w/1-2/data" * 2)),
        (("prog",), ("prog", "/w/1-2/data")),
        (("prog", "-v", "{unknown}", "{}"), ("prog", "-v", "{unknown}", "{}", "/w/1-2/data")),
        (("prog", "{data", "DATA}"), ("prog", "{data", "DATA}", "/w/1-2/data")),
        (("prog", "{{data}}"), ("prog", "{/w/1-2/data}")),
    ],
)
def test_placeholders_are_replaced_or_the_data_folder_is_appended(
    words: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert command_line(words, PACKAGE) == expected


def test_what_a_placeholder_is_replaced_with_is_not_replaced_again() -> None:
    package = Package("{home}{data}", Path("/{attempt}/data"), Path("/z"), 1, Path("/{package}"))
    assert command_line(("{package}", "{data}", "{home}"), package) == ("{home}{data}", "/{attempt}/data", "/{package}")


def test_a_backslash_in_a_name_is_no_reference_into_a_pattern() -> None:
    package = Package(r"\1\g<0>", Path("/d"), Path("/z"), 1, Path("/h"))
    assert command_line(("{package}",), package) == (r"\1\g<0>",)


def test_the_environment_tells_a_handler_about_its_package() -> None:
    assert package_environment(PACKAGE) == {
        "JOBRUNNER_PACKAGE": "scan-1",
        "JOBRUNNER_DATA": "/w/1-2/data",
        "JOBRUNNER_ZIP": "/w/1-2/package/scan-1.zip",
        "JOBRUNNER_ATTEMPT": "2",
        "JOBRUNNER_HOME": "/home/of/it",
    }


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
