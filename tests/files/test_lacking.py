import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from jobrunner.files.lacking import MOST_LOOKED_AT, Lacking
from tests.support import wait_until

OTHERS = 2 * MOST_LOOKED_AT
TURNS = 4  # so that of a few more than OTHERS, at most MOST_LOOKED_AT are looked at in a pass
NOW = 2e9  # long after anything that a test writes


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "p").mkdir()
    return tmp_path / "p"


def mark(lacking: Lacking, package: Path, now: float = NOW) -> int:
    folder = os.open(package, os.O_RDONLY)
    try:
        return lacking.mark(os.fstat(folder), now)
    finally:
        os.close(folder)


def is_unchanged(lacking: Lacking, package: Path) -> bool:
    with os.scandir(package.parent) as entries:
        [entry] = entries
        return lacking.is_unchanged(entry)


def pass_over(lacking: Lacking, package: Path, *, others: int = OTHERS, now: float = NOW) -> bool:
    """Have a package, beside others, lack something in one pass; say whether it needed no look."""
    lacking.begin()
    for number in range(others):
        lacking.note(f"other-{number}", 0)
    needed_no_look = is_unchanged(lacking, package)
    if not needed_no_look:
        lacking.note(package.name, mark(lacking, package, now))
    lacking.end()
    return needed_no_look


def after_passes(package: Path, *, others: int = OTHERS, now: float = NOW) -> Lacking:
    lacking = Lacking()
    for _ in range(2):
        pass_over(lacking, package, others=others, now=now)
    return lacking


def test_what_was_noted_in_the_last_pass_is_known_and_nothing_else() -> None:
    lacking = Lacking()
    for names in (["a", "b"], ["b", "\udcff"]):
        lacking.begin()
        for name in names:
            lacking.note(name, 0)
        lacking.end()
        assert [name for name in ("a", "b", "c", "\udcff", "") if name in lacking] == names


def test_a_pass_that_is_broken_off_changes_nothing() -> None:
    lacking = Lacking()
    for name in ("broken off", "a"):
        lacking.begin()
        lacking.note(name, 0)
    lacking.end()
    lacking.begin()
    lacking.note("broken off", 0)
    assert ("a" in lacking, "broken off" in lacking) == (True, False)


def test_of_many_that_are_unchanged_each_is_looked_at_in_its_turn(package: Path) -> None:
    lacking = after_passes(package)
    skipped = [pass_over(lacking, package) for _ in range(4 * TURNS)]
    assert skipped.count(False) == 4
    assert skipped[:TURNS] * 4 == skipped
    assert package.name in lacking


def test_of_few_each_is_looked_at_in_every_pass(package: Path) -> None:
    lacking = after_passes(package, others=MOST_LOOKED_AT - 2)
    assert not any(pass_over(lacking, package, others=MOST_LOOKED_AT - 2) for _ in range(TURNS))


def gets_a_file(package: Path) -> None:
    (package / "p.zip").touch()


def loses_a_file(package: Path) -> None:
    (package / "there from the start").unlink()


def is_another_folder(package: Path) -> None:
    package.rename(package.parent / ".away")
    package.mkdir()
    (package.parent / ".away").rename(package / "inside")


def comes_with_a_rename(package: Path) -> None:
    package.rename(package.parent / ".away")
    (package.parent / ".away").rename(package)


def becomes_a_link(package: Path) -> None:
    package.rename(package.parent.parent / "elsewhere")
    package.symlink_to(package.parent.parent / "elsewhere")


@pytest.mark.parametrize("change", [gets_a_file, loses_a_file, is_another_folder, comes_with_a_rename, becomes_a_link])
def test_what_has_changed_is_looked_at_in_the_next_pass(tmp_path: Path, change: Callable[[Path], None]) -> None:
    package = tmp_path / "inbox" / "p"
    package.mkdir(parents=True)
    (package / "there from the start").touch()
    lacking = after_passes(package)
    while not is_unchanged(lacking, package):  # it is its turn
        pass_over(lacking, package)
    later = tmp_path / "later"

    def time_has_gone_on() -> bool:
        later.touch()
        return later.stat().st_ctime > package.stat().st_ctime

    wait_until(time_has_gone_on)
    change(package)
    assert not is_unchanged(lacking, package)


def test_what_changed_just_before_it_was_looked_at_is_looked_at_again(package: Path) -> None:
    now = package.stat().st_ctime + 1
    lacking = after_passes(package, now=now)
    assert not any(pass_over(lacking, package, now=now) for _ in range(TURNS))


def test_what_has_gone_is_not_called_unchanged(package: Path) -> None:
    lacking = after_passes(package)
    with os.scandir(package.parent) as entries:
        [entry] = entries
    package.rmdir()
    assert not lacking.is_unchanged(entry)


def test_a_name_takes_few_bytes() -> None:
    lacking = Lacking()
    names = 100_000
    tracemalloc.start()
    try:
        for _ in range(2):
            lacking.begin()
            for number in range(names):
                lacking.note(f"name-{number}", number)
            lacking.end()
        now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now < 10 * names
    assert most < 20 * names
