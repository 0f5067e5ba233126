import os
import random
import zlib
from pathlib import Path

import pytest

from jobrunner.domain.errors import PackageError
from jobrunner.unzip import streams
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.entry import Entry
from jobrunner.unzip.streams import PIECE, content
from tests.zip_builder import BZIP2, DEFLATE64, DEFLATED, END_MARK, LZMA, MIB, STORED, Member, lzma_without_end_mark

NOISE = random.Random(11).randbytes(MIB)
TEXTS = {
    "nothing": b"",
    "a byte": b"x",
    "zeros": bytes(3 * MIB),
    "noise": NOISE,
    "lines": b"".join(b"line %d\n" % number for number in range(100_000)),
    "a piece": NOISE[:PIECE],
    "a piece and a byte": NOISE[: PIECE + 1],
}


def pieces_of(tmp_path: Path, method: int, data: bytes, size: int, flags: int = END_MARK) -> list[bytes]:
    (tmp_path / "zip").write_bytes(b"before" + data + b"behind")
    entry = Entry(b"a", 3, flags, method, 0, 0, len(data), size, 0, 0, None, len(b"before"))
    descriptor = os.open(tmp_path / "zip", os.O_RDONLY)
    try:
        return list(content(ZipBytes(descriptor, os.fstat(descriptor).st_size), entry))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("decoder", ["isal", "zlib"])
@pytest.mark.parametrize("method", [STORED, DEFLATED, DEFLATE64, BZIP2, LZMA])
@pytest.mark.parametrize("text", TEXTS)
def test_content_comes_whole_in_pieces_of_bounded_length(
    tmp_path: Path, text: str, method: int, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if decoder == "zlib":
        monkeypatch.setattr(streams, "fast_zlib", zlib)
    pieces = pieces_of(tmp_path, method, Member(content=TEXTS[text], method=method).data, len(TEXTS[text]))
    assert b"".join(pieces) == TEXTS[text]
    assert max(map(len, pieces), default=0) <= PIECE


def test_lzma_without_an_end_mark_ends_where_the_directory_says(tmp_path: Path) -> None:
    for size in (0, 1, 2, 100, 5000, PIECE, PIECE + 1):
        packed = lzma_without_end_mark(bytes(size))
        assert b"".join(pieces_of(tmp_path, LZMA, packed, size, flags=0)) == bytes(size)


@pytest.mark.parametrize("method", [DEFLATED, DEFLATE64, BZIP2, LZMA])
@pytest.mark.parametrize("cut", [1, 100, PIECE])
def test_a_stream_that_is_cut_or_goes_on_is_damaged(tmp_path: Path, method: int, cut: int) -> None:
    data = Member(content=NOISE, method=method).data
    with pytest.raises(PackageError, match="the zip's member a is damaged: its data ends too early"):
        pieces_of(tmp_path, method, data[:-cut], len(NOISE))
    with pytest.raises(PackageError, match="the zip's member a is damaged: other bytes follow the compressed data"):
        pieces_of(tmp_path, method, data + bytes(cut), len(NOISE))
