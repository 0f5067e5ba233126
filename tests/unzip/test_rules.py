from dataclasses import replace
from typing import Any

import pytest

from jobrunner.domain.errors import PackageError
from jobrunner.domain.package import Footprint
from jobrunner.domain.settings import ExtractSettings
from jobrunner.unzip.entry import Entry
from jobrunner.unzip.rules import Member, allowed_members, require_within_limits

SETTINGS = ExtractSettings(keep_free=0)
GIB = 2**30


def members(*names: str, size: int = 0) -> list[Member]:
    entries = [Entry(name.encode(), 3, 0, 0, 0, 0, size, size, 0, number, None) for number, name in enumerate(names)]
    return list(allowed_members(entries, "utf-8", {0}))


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        (["a", "b/c/"], [("a", False), ("b/c", True)]),
        (["./a", "b//c", "d/./e", "f/."], [("a", False), ("b/c", False), ("d/e", False), ("f", False)]),
        (["/", "./", "a/"], [("a", True)]),
        (["..a/b..", "..."], [("..a/b..", False), ("...", False)]),
    ],
)
def test_a_path_is_what_the_name_means(names: list[str], paths: list[tuple[str, bool]]) -> None:
    assert [(member.path, member.is_folder) for member in members(*names)] == paths


@pytest.mark.parametrize(
    ("names", "limits", "words"),
    [
        (["a/b/cd", "e/f", "e/"], {"max_entries": 4}, "than extract.max_entries (4)"),
        (["a", "b", "c"], {"max_entries": 2}, "than extract.max_entries (2)"),
        (["a", "b", "c"], {"max_size": 12_287}, "would take 12,288 bytes of the disk, over extract.max_size (12,287)"),
    ],
)
def test_limits_hold_to_the_last_entry_and_byte(names: list[str], limits: dict[str, Any], words: str) -> None:
    made = members(*names, size=0 if "max_entries" in limits else 10)
    with pytest.raises(PackageError) as caught:
        require_within_limits(made, 100, replace(SETTINGS, **limits))
    assert words in str(caught.value)
    enough = {name: limit + 1 for name, limit in limits.items()}
    assert require_within_limits(made, 100, replace(SETTINGS, **enough))[1] == sum(member.entry.size for member in made)


@pytest.mark.parametrize(
    ("size", "zip_size", "is_refused"),
    [(GIB, 1, False), (GIB + 1, GIB // 200, True), (200 * 10**7, 10**7, False), (200 * 10**7 + 1, 10**7, True)],
)
def test_a_ratio_counts_only_in_what_is_large(size: int, zip_size: int, is_refused: bool) -> None:
    if not is_refused:
        assert require_within_limits(members("a", size=size), zip_size, SETTINGS)[1] == size
        return
    with pytest.raises(PackageError, match=r"over extract\.max_ratio \(200\)"):
        require_within_limits(members("a", size=size), zip_size, SETTINGS)


FOLDERS = [f"{number}/" for number in range(199_900)]


@pytest.mark.parametrize(
    ("names", "zip_size"),
    [(FOLDERS, 18 * 10**6), ([f"{name}a/b/c/x" for name in FOLDERS[:40_000]], 15 * 10**6)],
    ids=["empty", "implied"],
)
def test_many_folders_must_not_take_many_times_the_zip(names: list[str], zip_size: int) -> None:
    with pytest.raises(PackageError) as caught:
        require_within_limits(members(*names), zip_size, SETTINGS)
    count = len(names) * (1 if names is FOLDERS else 4)
    assert f"the zip's {count:,} folders would take {count * 4096:,} bytes of the disk, and it has" in str(caught.value)
    assert "deliver it in several zips of up to 32,768 folders" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "zip_size"),
    [
        (FOLDERS[:32_768], 3 * 10**6),  # so many are no harm
        ([f"{name}reading.csv" for name in FOLDERS[:90_000]], 25 * 10**6),  # one with 100 bytes in each
        (FOLDERS, 26 * 10**6),
    ],
    ids=["few", "with files", "long names"],
)
def test_many_folders_of_an_honest_zip_are_made(names: list[str], zip_size: int) -> None:
    folders, _, taken = require_within_limits(members(*names), zip_size, SETTINGS)
    assert taken == len(folders) * 4096


def test_a_folder_holds_nothing_whatever_size_it_declares() -> None:
    entry = Entry(b"d/", 3, 0, 0, 0, 0, 0, 2**40, 0, 0, None)
    made = allowed_members([entry], "utf-8", {0})
    assert require_within_limits(made, 100, SETTINGS)[1:] == (0, 4096)


@pytest.mark.parametrize(("method", "words"), [(9, "deflate64, which Windows Explorer uses over 2 GB"), (1, "shrink")])
def test_a_method_that_is_not_here_is_refused_by_its_name(method: int, words: str) -> None:
    entry = Entry(b"a", 3, 0, method, 0, 0, 1, 1, 0, 0, None)
    with pytest.raises(PackageError) as caught:
        list(allowed_members([entry], "utf-8", {0}))
    assert f"the zip's member a is compressed with {words}" in str(caught.value)
    if method == 9:
        cure = "install jobrunner[deflate64], or have it packed with another program (7-Zip, deflate)"
        assert str(caught.value).endswith(cure)


def test_what_lies_beside_the_zip_counts_in_the_limits() -> None:
    require_within_limits(
        members("a", "b/c", size=1), 100, replace(SETTINGS, max_entries=5, max_size=20_000), Footprint(2, 7_000)
    )
    with pytest.raises(PackageError, match=r"than extract\.max_entries"):
        require_within_limits(members("a", "b/c"), 100, replace(SETTINGS, max_entries=5), Footprint(3, 0))
    with pytest.raises(PackageError, match=r"would take 20,288 bytes of the disk, over extract.max_size \(20,000\)"):
        require_within_limits(members("a", "b/c", size=1), 100, replace(SETTINGS, max_size=20_000), Footprint(0, 8_000))


def test_few_deep_members_cannot_fill_the_memory_with_folders() -> None:
    deep = [f"{number}/" + "/".join(["directory-name"] * 250) for number in range(200)]
    with pytest.raises(PackageError, match="too many deep folders"):
        require_within_limits(members(*deep), 10**6, SETTINGS)
    assert require_within_limits(members(*deep[:20]), 10**6, SETTINGS)[1] == 0
