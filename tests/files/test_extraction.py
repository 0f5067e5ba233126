import os
import socket
import stat
import time
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobrunner.domain.errors import MachineError, PackageError
from jobrunner.domain.settings import ExtractSettings
from jobrunner.files.extraction import extract

SETTINGS = ExtractSettings(keep_free=0)
FAT, UNIX = 0, 3


def member(name: str, system: int = UNIX, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6))
    info.create_system = system
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def make_zip(path: Path, members: Iterable[str | zipfile.ZipInfo], **changes: Any) -> Path:
    """Make a zip whose members hold their names; `changes` are made to what the directory says of the last one."""
    with zipfile.ZipFile(path, "w") as archive:
        for info in (member(one) if isinstance(one, str) else one for one in members):
            archive.writestr(info, "" if info.filename.endswith("/") else info.filename.encode("utf-8"))
        for name, value in changes.items():
            setattr(archive.infolist()[-1], name, value)
    return path


def raw_named(path: Path, *names: bytes, utf8: bool = False) -> Path:
    """Make a zip with names of these very bytes, with or without the UTF-8 flag in its directory."""
    stand_ins = ["abcdefghij"[number] * len(name) for number, name in enumerate(names)]
    with zipfile.ZipFile(path, "w") as archive:
        for stand_in in stand_ins:
            archive.writestr(member(stand_in), b"content")
        if utf8:
            for info in archive.infolist():
                info.flag_bits |= 0x800
    content = path.read_bytes()
    for stand_in, name in zip(stand_ins, names, strict=True):
        assert content.count(stand_in.encode()) == 2
        content = content.replace(stand_in.encode(), name)
    path.write_bytes(content)
    return path


class Place:
    """A zip to be and an empty folder beside it."""

    def __init__(self, root: Path) -> None:
        self.zip = root / "p.zip"
        self.target = root / "data"
        self.target.mkdir()

    def extract(self, settings: ExtractSettings = SETTINGS) -> list[str]:
        extract(str(self.zip), str(self.target), settings, lambda done, total: None)
        return self.paths()

    def paths(self) -> list[str]:
        return sorted(str(path.relative_to(self.target)) for path in self.target.rglob("*"))

    def refused(self, words: str, settings: ExtractSettings = SETTINGS) -> None:
        """Expect that the package is refused, in these words, before anything is written."""
        with pytest.raises(PackageError) as caught:
            self.extract(settings)
        assert words in str(caught.value)
        assert str(caught.value).isprintable()
        assert self.paths() == []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_members_are_laid_out_with_content_and_time(place: Place) -> None:
    make_zip(place.zip, ["a", "b/c/d", "b/e", "empty/"])
    assert place.extract() == ["a", "b", "b/c", "b/c/d", "b/e", "empty"]
    assert (place.target / "b/c/d").read_text() == "b/c/d"
    assert (place.target / "a").stat().st_mtime == time.mktime((2001, 2, 3, 4, 5, 6, 0, 0, -1))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_method_of_python_is_extracted(place: Place, method: int) -> None:
    content = os.urandom(100_000) * 10
    with zipfile.ZipFile(place.zip, "w", method) as archive:
        archive.writestr("a", content)
    place.extract()
    assert (place.target / "a").read_bytes() == content


@pytest.mark.parametrize(
    ("in_zip", "on_disk"), [(0o755, 0o755), (0o600, 0o600), (0o777, 0o755), (0o4755, 0o755), (0o000, 0o600)]
)
def test_modes_are_kept_but_for_what_is_dangerous(place: Place, in_zip: int, on_disk: int) -> None:
    make_zip(place.zip, [member("a", mode=stat.S_IFREG | in_zip)])
    place.extract()
    assert stat.S_IMODE((place.target / "a").stat().st_mode) == on_disk


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (member("../evil"), "the zip's member ../evil would leave the package's folder"),
        (member("a/../../evil"), "would leave"),
        (member("a/.."), "would leave"),
        (member("a\\..\\..\\evil"), "would leave"),
        (member("..\\evil", FAT), "would leave"),
        (member("/etc/evil"), "would leave"),
        (member("\\evil", FAT), "would leave"),
        (member("//host/share", FAT), "would leave"),
        (member("C:evil", FAT), "names a drive"),
        (member("c:\\evil", FAT), "names a drive"),
        (member("link", mode=stat.S_IFLNK | 0o777), "member link is a symbolic link or a device"),
        (member("device", mode=stat.S_IFCHR | 0o666), "is a symbolic link or a device"),
        (member("disk", mode=stat.S_IFBLK | 0o666), "is a symbolic link or a device"),
        (member("socket", mode=stat.S_IFSOCK | 0o666), "is a symbolic link or a device"),
        (member("n" * 256), "too long or too deep"),
        (member("é" * 128), "too long or too deep"),
        (member("d/" * 257), "too long or too deep"),
        (member("/".join(["d" * 200] * 20)), "too long or too deep"),
        (member("../new\nline"), r"../new\nline would leave"),
    ],
    ids=lambda value: ascii(value.filename[:20]) if isinstance(value, zipfile.ZipInfo) else "",
)
def test_a_member_that_would_do_harm_is_refused(place: Place, info: zipfile.ZipInfo, words: str) -> None:
    make_zip(place.zip, ["fine", info])
    place.refused(words)


def test_a_nul_in_a_name_is_refused(place: Place) -> None:
    raw_named(place.zip, b"fine", b"a\0e")
    place.refused("has a NUL in its name")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (["a", "a"], "the zip has two members named a"),
        (["a/b", "c", "./a//b"], "the zip has two members named a/b"),
        (["a", "a/b"], "the zip has two members named a"),
        (["a/b", "a"], "the zip has two members named a"),
        (["a/", "a"], "the zip has two members named a"),
        ([member("a\\b", FAT), "a/b"], "the zip has two members named a/b"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_in_one_place_are_refused(place: Place, members: list[str | zipfile.ZipInfo], words: str) -> None:
    make_zip(place.zip, ["fine", *members])
    place.refused(words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flag_bits": 1}, "the zip's member last is password-protected"),
        ({"compress_type": 9}, "has the unknown compression 9"),
        ({"compress_type": 99}, "has the unknown compression 99"),
        ({"file_size": 51 * 2**30}, "over extract.max_size (53,687,091,200)"),
        ({"file_size": 2**30 + 1}, "over extract.max_ratio (200)"),
        ({"header_offset": 10**6}, "its zip is broken"),
    ],
)
def test_what_the_directory_says_is_believed_before_anything_is_written(
    place: Place, changes: dict[str, int], words: str
) -> None:
    make_zip(place.zip, ["last"] if "header_offset" in changes else ["fine", "last"], **changes)
    place.refused(words)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_entries": 4}, "the zip has 5 entries, over extract.max_entries (4)"),
        ({"max_size": 8}, "the zip declares 9 bytes, over extract.max_size (8)"),
    ],
)
def test_limits_hold_to_the_last_entry_and_byte(place: Place, limits: dict[str, Any], words: str) -> None:
    make_zip(place.zip, ["a/b/cd", "e/f", "e/"])  # three folders are implied: a, a/b, e
    place.refused(words, replace(SETTINGS, **limits))
    just_enough = {name: limit + 1 for name, limit in limits.items()}
    assert len(place.extract(replace(SETTINGS, **just_enough))) == 5


def test_a_high_ratio_is_fine_in_what_is_small(place: Place) -> None:
    with zipfile.ZipFile(place.zip, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10**7))
    assert place.zip.stat().st_size * 200 < 10**7
    assert place.extract() == ["zeros"]


@pytest.mark.parametrize("declared", [3, 5, 2**20])
def test_a_member_that_is_not_as_long_as_declared_is_refused(place: Place, declared: int) -> None:
    make_zip(place.zip, ["four"], file_size=declared)
    with pytest.raises(PackageError, match="zip"):
        place.extract()


def test_no_room_on_the_disk_is_the_machines_fault(place: Place) -> None:
    make_zip(place.zip, ["a"])
    with pytest.raises(MachineError, match=r"bytes free, but the package needs 1 and extract.keep_free .*: make room"):
        place.extract(replace(SETTINGS, keep_free=2**60))
    assert place.paths() == []


def link(path: Path) -> None:
    make_zip(path.with_name("elsewhere.zip"), ["a"])
    path.symlink_to("elsewhere.zip")


def listen(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(here)


def truncate(path: Path) -> None:
    make_zip(path, ["a", "b"])
    os.truncate(path, path.stat().st_size - 30)


def beheaded(path: Path) -> None:
    make_zip(path, ["a"])
    path.write_bytes(path.read_bytes()[20:])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (link, "its zip is a symbolic link"),
        (Path.mkdir, "its zip is not a file"),
        (os.mkfifo, "its zip is not a file"),
        (listen, "its zip is not a file"),
        (Path.touch, "its zip is broken"),
        (truncate, "its zip is broken"),
        (beheaded, "its zip is broken"),
        (lambda path: path.write_text("<html>Not found</html>" * 100), "its zip is broken: File is not a zip file"),
        (lambda path: None, "its zip is not there"),
    ],
    ids=["link", "folder", "fifo", "socket", "empty", "truncated", "beheaded", "html", "missing"],
)
def test_what_is_no_zip_is_the_senders_fault(place: Place, make: Callable[[Path], None], words: str) -> None:
    make(place.zip)
    place.refused(words)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_in_a_member_is_the_senders_fault(place: Place, method: int) -> None:
    with zipfile.ZipFile(place.zip, "w", method) as archive:
        archive.writestr("a", os.urandom(10_000))
    content = bytearray(place.zip.read_bytes())
    content[40:9_000] = bytes(8_960)
    place.zip.write_bytes(content)
    with pytest.raises(PackageError, match="its zip is broken"):
        place.extract()


@pytest.mark.parametrize(
    ("names", "encoding", "paths"),
    [
        (["数据.csv".encode(), b"plain"], "auto", ["plain", "数据.csv"]),
        (["数据.csv".encode("gbk")], "gbk", ["数据.csv"]),
        (["データ".encode("cp932")], "cp932", ["データ"]),
        (["Grün".encode("cp437")], "auto", ["Grün"]),
        (["数据".encode(), "Grün".encode("cp437")], "auto", sorted(["数据".encode().decode("cp437"), "Grün"])),
    ],
)
def test_names_without_the_flag_are_read_as_what_they_are(
    place: Place, names: list[bytes], encoding: str, paths: list[str]
) -> None:
    raw_named(place.zip, *names)
    assert place.extract(replace(SETTINGS, encoding=encoding)) == paths


def test_names_with_the_flag_are_utf8_whatever_is_set(place: Place) -> None:
    make_zip(place.zip, ["数据", "ascii"])
    assert place.extract(replace(SETTINGS, encoding="gbk")) == ["ascii", "数据"]


def test_a_flag_that_lies_about_utf8_is_the_senders_fault(place: Place) -> None:
    raw_named(place.zip, b"\xff\xfe\xff", utf8=True)
    place.refused("its zip is broken")


def test_names_that_are_not_what_is_set_are_told(place: Place) -> None:
    raw_named(place.zip, b"\xff\xff\xff")
    place.refused("the names in the zip are not gbk: set extract.encoding", replace(SETTINGS, encoding="gbk"))


def test_a_traversal_that_shows_only_in_the_right_encoding_is_refused(place: Place) -> None:
    raw_named(place.zip, "../evil".encode("utf-16"))
    place.refused("would leave", replace(SETTINGS, encoding="utf-16"))


@pytest.mark.parametrize(
    ("members", "paths"),
    [
        ([], []),
        (["a/", "b/c/"], ["a", "b", "b/c"]),
        (["a/", "a/", "a/b"], ["a", "a/b"]),
        (["./a", "b//c"], ["a", "b", "b/c"]),
        ([member("a\\b\\c", FAT), member("a\\d\\", FAT)], ["a", "a/b", "a/b/c", "a/d"]),
        ([member("a\\b", UNIX)], ["a\\b"]),
        ([member("C:fine", UNIX)], ["C:fine"]),
        ([member("..a/b..", UNIX), "..."], ["...", "..a", "..a/b.."]),
        ([member("pipe", mode=stat.S_IFIFO | 0o644)], ["pipe"]),
        (["new\nline", " "], [" ", "new\nline"]),
        (["n" * 255], ["n" * 255]),
        ([member("no-date")], ["no-date"]),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_honest_odd_zips_are_extracted(place: Place, members: list[str | zipfile.ZipInfo], paths: list[str]) -> None:
    make_zip(place.zip, members)
    assert place.extract() == paths
    assert not any(path.is_fifo() for path in place.target.rglob("*"))


def test_a_date_that_does_not_exist_costs_nobody_the_package(place: Place) -> None:
    make_zip(place.zip, ["a"], date_time=(1980, 0, 0, 31, 63, 62))
    assert place.extract() == ["a"]


def test_what_stands_before_the_zip_does_not_matter(place: Place) -> None:
    make_zip(place.zip, ["a"])
    place.zip.write_bytes(b"#!/bin/sh\nself-extracting\n" + place.zip.read_bytes())
    assert place.extract() == ["a"]
