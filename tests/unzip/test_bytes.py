import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from jobrunner.domain.errors import PackageError
from jobrunner.unzip.bytes import TAIL, ZipBytes

CONTENT = Random(1).randbytes(3 * TAIL)


@pytest.fixture(params=[100, TAIL, TAIL + 1, 3 * TAIL])
def size(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def descriptor(tmp_path: Path, size: int) -> Iterator[int]:
    (tmp_path / "zip").write_bytes(CONTENT[:size])
    opened = os.open(tmp_path / "zip", os.O_RDONLY)
    yield opened
    os.close(opened)


def test_it_reads_as_the_file_does_on_both_sides_of_where_its_end_is_kept(descriptor: int, size: int) -> None:
    file = ZipBytes(descriptor, size)
    around = {0, 1, size - TAIL - 1, size - TAIL, size - TAIL + 1, size - 1, size, size + 1}
    for offset in sorted(offset for offset in around if offset >= 0):
        for length in (0, 1, 50, TAIL):
            assert file.read(offset, length) == CONTENT[:size][offset : offset + length]
        assert file.stream(offset).read() == CONTENT[:size][offset:]


def test_holes_do_not_count_as_filled(tmp_path: Path) -> None:
    with (tmp_path / "zip").open("wb") as file:
        for place in (0, 2**22, 2**32):
            file.seek(place)
            file.write(bytes(4096))
    descriptor = os.open(tmp_path / "zip", os.O_RDONLY)
    for end, filled in ((2**32 + 4096, 3 * 4096), (2**33, 3 * 4096), (2**22 + 4096, 2 * 4096), (4096, 4096)):
        os.truncate(tmp_path / "zip", end)
        zip_bytes = ZipBytes(descriptor, end)
        assert zip_bytes.filled() == filled
    os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        zip_bytes.filled()


def test_it_says_where_the_file_ends_too_early(descriptor: int, size: int) -> None:
    file = ZipBytes(descriptor, size)
    assert file.exactly(size - 60, 60) == CONTENT[size - 60 : size]
    with pytest.raises(PackageError, match="cut short"):
        file.exactly(size - 60, 61)
    with pytest.raises(PackageError, match="cut short"):
        ZipBytes(descriptor, size + 1)
