import os

import pytest

from jobrunner.domain.errors import Incomplete
from jobrunner.domain.lack import Lack
from jobrunner.domain.naming import (
    PART_OF_ZIPS,
    Patterns,
    closest,
    is_junk,
    is_zip_of,
    likeness,
    meant_by,
    received,
    zip_among,
)
from jobrunner.domain.package import shown


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("-downloading", "p-downloading"),
        ("-downloading", "P-Downloading"),
        ("*.part", "p.zip.part"),
        (".filepart", "p.zip.filepart"),
        ("*.crdownload", "Unconfirmed 1.crdownload"),
        (".~tmp~", ".~tmp~"),
        (".syncthing.*.tmp", ".syncthing.p.zip.tmp"),
        ("tmp-*", "tmp-\n\udcff"),
    ],
)
def test_a_name_is_that_of_something_partial_by_its_end_or_a_pattern(written: str, name: str) -> None:
    patterns = Patterns.of_ends(["something else", written])
    assert patterns.match(name)
    assert not patterns.match(f".{name}.zip")


def test_without_a_wildcard_a_pattern_is_a_whole_name() -> None:
    assert Patterns(["old"]).match("OLD")
    assert not Patterns(["old"]).match("very old")
    assert not Patterns([]).match("")


@pytest.mark.parametrize(
    "name",
    [
        *["@eaDir", "#recycle", "lost+found", ".stfolder", "Thumbs.db", "thumbs.db", "desktop.ini", "Desktop.ini"],
        *[".DS_Store", "._anything.zip", "__MACOSX"],
    ],
)
def test_the_junk_of_systems_is_known_by_its_name(name: str) -> None:
    assert is_junk(name)
    assert not is_junk(f"{name[1:]}x")


@pytest.mark.parametrize(
    "other",
    ["Straße 1", "STRASSE 1", "strasse 1", "straße 1.", "Straße 1 ", "STRASSE 1. ."],
)
def test_names_look_alike_however_they_are_spelled(other: str) -> None:
    assert likeness(other) == likeness("Straße 1")
    assert likeness(other) != likeness("Straße 2")


def test_names_in_another_normal_form_look_alike() -> None:
    assert likeness("Caf\u00e9") == likeness("CAFE\u0301")


@pytest.mark.parametrize("name", [" ", "...", "\udcff\udcfe", "\x00"])
def test_any_name_looks_like_itself_and_like_no_empty_one(name: str) -> None:
    assert likeness(name) == likeness(name) != ""


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("Scan 1", "Scan 1.zip"),
        ("Scan 1", "Scan 1.ZIP"),
        ("Scan 1", "scan 1.Zip"),
        ("Scan 1.", "Scan 1.zip"),
        ("Scan 1 ", "Scan 1.zip"),
        ("Scan 1", "Scan 1 .zip"),
        ("Scan 1", "Scan 1.zip."),
        ("Caf\u00e9", "Cafe\u0301.zip"),
        (os.fsdecode(b"\xff"), os.fsdecode(b"\xff.ZIP")),
    ],
)
def test_a_zip_is_found_in_each_spelling(name: str, entry: str) -> None:
    assert zip_among(["readme.zip", entry], name, any_name=False) == entry
    assert is_zip_of(name, entry)
    assert not is_zip_of(name, "readme.zip")


def test_each_name_that_may_be_a_zips_has_the_part_that_is_looked_for() -> None:
    """In Unicode, two more letters than these have i as their other case: P.Z\u0130P is what Turkish makes of p.zip."""
    letters = [chr(code) for code in (*range(0x20, 0xD800), *range(0xE000, 0x11000)) if chr(code) != "/"]
    spelled = [name for letter in letters for name in (f"p.{letter}ip", f"p.z{letter}p", f"p.zi{letter}")]
    zips = [name for name in spelled if is_zip_of("p", name)]
    assert {"p.zip", "p.zIp", "p.z\u0130p", "p.z\u0131p"} <= set(zips)
    assert [name for name in zips if not PART_OF_ZIPS.search(name.encode())] == []


def test_the_exact_name_goes_before_all_others() -> None:
    assert zip_among(["p.ZIP", "P.zip", "p.zip"], "p", any_name=True) == "p.zip"


def test_the_only_zip_counts_where_any_name_is_allowed() -> None:
    entries = ["data.zip", "._data.zip", ".in.data.zip", "data.zip.part", "zip", "notes.txt"]
    assert zip_among(entries, "p", any_name=True) == "data.zip"
    assert zip_among([*entries, "P.ZIP"], "p", any_name=True) == "P.ZIP"


@pytest.mark.parametrize(
    ("entries", "any_name", "lack", "said"),
    [
        ([], False, Lack.NO_ZIP, "its zip is not there: its folder is empty"),
        ([".DS_Store"], True, Lack.NO_ZIP, "its zip is not there: its folder is empty"),
        (["b", "a\n"], True, Lack.NO_ZIP, "its zip is not there: only a\\n, b"),
        (["b", "c", "e", "d", "a"], False, Lack.NO_ZIP, "its zip is not there: only a, b, c and 2 more"),
        (["x.zip", "y.zip"], False, Lack.OTHER_ZIP, "its zip is not there: x.zip, y.zip are not named like the"),
        (["p.ZIP", "P.zip"], False, Lack.SEVERAL_ZIPS, "it is unclear which of its zips counts: P.zip, p.ZIP"),
        (["x.zip", "y.zip"], True, Lack.SEVERAL_ZIPS, "it is unclear which of its zips counts: x.zip, y.zip"),
    ],
)
def test_what_is_there_is_said_where_no_zip_can_be_it(
    entries: list[str], any_name: bool, lack: Lack, said: str
) -> None:
    with pytest.raises(Incomplete) as caught:
        zip_among(entries, "p", any_name=any_name)
    assert str(caught.value).startswith(said)
    assert caught.value.lack is lack
    assert all(shown(name) in str(caught.value) for name in caught.value.found)
    assert len(caught.value.found) == min(3, len([name for name in entries if not is_junk(name)]))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("p", ["p", "p-downloading", "p.part", "p.zip", "p.ZIP"]),
        ("p-downloading", ["p-downloading", "p"]),
        ("p.part", ["p.part", "p"]),
        ("p.Zip", ["p.Zip", "p", "p-downloading"]),
        ("\udcff.zip", ["\udcff"]),
    ],
)
def test_a_name_means_what_it_was_or_will_be_called(written: str, meant: list[str]) -> None:
    found = list(meant_by(written, ["-downloading", "*.part", ".~*"]))
    assert found[0] == written
    assert set(meant) <= set(found)
    assert not [name for name in found if "*" in name]


def test_what_is_received_loses_its_suffix_once() -> None:
    assert received("p.part.part", ["-downloading", "*.part"]) == "p.part"
    assert received("p", ["-downloading"]) == "p"


def test_the_closest_names_are_those_that_look_alike_then_those_that_differ_least() -> None:
    others = ["scan-0017", "scan-0018", "other", "SCAN-0017b"]
    assert closest("Scan-0017B", others, 2) == ["SCAN-0017b", "scan-0017"]
    assert closest("0018", others, 3) == ["scan-0018"]
    assert closest("nothing like it", others, 3) == closest("x", [], 3) == []
