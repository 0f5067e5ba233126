import os

import pytest

from jobrunner.domain.errors import PackageError
from jobrunner.domain.naming import Patterns, is_junk, is_zip_of, likeness, zip_among


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


def test_the_exact_name_goes_before_all_others() -> None:
    assert zip_among(["p.ZIP", "P.zip", "p.zip"], "p", any_name=True) == "p.zip"


def test_the_only_zip_counts_where_any_name_is_allowed() -> None:
    entries = ["data.zip", "._data.zip", ".in.data.zip", "data.zip.part", "zip", "notes.txt"]
    assert zip_among(entries, "p", any_name=True) == "data.zip"
    assert zip_among([*entries, "P.ZIP"], "p", any_name=True) == "P.ZIP"


@pytest.mark.parametrize(
    ("entries", "any_name", "said"),
    [
        ([], False, "its zip is not there: its folder is empty"),
        ([".DS_Store"], True, "its zip is not there: its folder is empty"),
        (["b", "a\n"], True, "its zip is not there: only a\\n, b"),
        (["b", "c", "e", "d", "a"], False, "its zip is not there: only a, b, c and 2 more"),
        (["x.zip", "a"], False, "its zip is not there: x.zip is not named like the folder (intake.zip_name = "),
        (["p.ZIP", "P.zip"], False, "it is unclear which of its zips counts: P.zip, p.ZIP"),
        (["x.zip", "y.zip"], True, "it is unclear which of its zips counts: x.zip, y.zip"),
    ],
)
def test_what_is_there_is_said_where_no_zip_can_be_it(entries: list[str], any_name: bool, said: str) -> None:
    with pytest.raises(PackageError) as caught:
        zip_among(entries, "p", any_name=any_name)
    assert str(caught.value).startswith(said)
