from pathlib import Path

import pytest

from jobrunner.domain.package import Package
from jobrunner.process.command import command_line

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
