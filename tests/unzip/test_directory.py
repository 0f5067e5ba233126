import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobrunner.domain.errors import PackageError
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.directory import read_directory
from jobrunner.unzip.entry import Entry
from tests.zip_builder import CENTRAL, DAY, DEFLATED, LOCAL, MAX32, NOON, STORED, TEXT, UNIX, Member, archive, deflated


@contextmanager
def opened(tmp_path: Path, content: bytes) -> Iterator[int]:
    (tmp_path / "p.zip").write_bytes(content)
    descriptor = os.open(tmp_path / "p.zip", os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def entries_of(tmp_path: Path, content: bytes, max_entries: int = 100) -> list[Entry]:
    with opened(tmp_path, content) as descriptor:
        return list(read_directory(ZipBytes(descriptor, len(content)), max_entries))


def test_an_entry_has_what_the_directory_says_and_where_its_content_lies(tmp_path: Path) -> None:
    member = Member("é", zip64=True)
    (entry,) = entries_of(tmp_path, archive(member, prefix=b"12345", shifted=False, zip64=True))
    assert (entry.raw_name, entry.label, entry.system) == ("é".encode(), "é", UNIX)
    assert (entry.method, entry.size, entry.compressed_size) == (DEFLATED, len(TEXT), len(deflated(TEXT)))
    assert (entry.modified, entry.attributes >> 16, entry.crc) == (
        DAY << 16 | NOON,
        0o100644,
        member.true_values["crc"],
    )
    assert (entry.offset, entry.data_offset) == (5, 5 + LOCAL.size + len("é".encode()) + 20)


@pytest.mark.parametrize("field", [b"", b"\x07\0\1\0x"], ids=["no extra field", "another field"])
def test_a_size_of_all_ones_without_a_zip64_field_is_that_size(tmp_path: Path, field: bytes) -> None:
    (entry,) = entries_of(tmp_path, archive(Member(both={"size": MAX32, "extra": field})))
    assert (entry.size, entry.compressed_size) == (MAX32, len(deflated(TEXT)))


def test_entries_come_in_the_directorys_order_each_once(tmp_path: Path) -> None:
    content = archive(*map(Member, "abc"), order=(1, 2, 0), listed=(2, 0, 2, 1))
    assert [entry.label for entry in entries_of(tmp_path, content)] == ["c", "a", "b"]


def test_a_record_that_differs_only_in_what_is_not_used_counts_as_the_same(tmp_path: Path) -> None:
    again = Member(is_written=False, central={"offset": 0, "comment": b"once more"})
    assert len(entries_of(tmp_path, archive(Member(), again))) == 1


def test_too_many_members_are_refused_before_the_rest_is_read(tmp_path: Path) -> None:
    content = archive(*map(Member, "abcdef"), directory=lambda made: made[:-10] + b"not a zip")
    with pytest.raises(PackageError, match=r"more members than extract.max_entries \(2\)"):
        entries_of(tmp_path, content, max_entries=2)


def test_a_directory_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    hole = 257 * 2**20
    with opened(tmp_path, b"") as descriptor:
        os.truncate(tmp_path / "p.zip", hole)
        with (tmp_path / "p.zip").open("ab") as file:
            file.write(archive(end={"length": hole}))
        size = os.fstat(descriptor).st_size
        with pytest.raises(PackageError, match=f"has a directory of {hole:,} bytes"):
            read_directory(ZipBytes(descriptor, size), 100)


def test_a_zip_that_has_become_shorter_is_refused(tmp_path: Path) -> None:
    content = archive(Member("a", TEXT * 20, STORED))
    with opened(tmp_path, content[:-10]) as descriptor, pytest.raises(PackageError, match="cut short"):
        read_directory(ZipBytes(descriptor, len(content)), 100)


@pytest.mark.parametrize("byte", range(CENTRAL.size))
def test_no_byte_of_a_record_can_be_changed_to_harm_the_reader(tmp_path: Path, byte: int) -> None:
    content = archive(Member(), Member("b"))
    place = content.index(b"PK\1\2") + byte
    for value in (0, 0xFF, content[place] ^ 1):
        changed = content[:place] + bytes([value]) + content[place + 1 :]
        try:
            entries = entries_of(tmp_path, changed)
        except PackageError:
            continue
        assert [entry.label for entry in entries] == ["a", "b"]
        assert all(entry.data_offset + entry.compressed_size <= content.index(b"PK\1\2") for entry in entries)
