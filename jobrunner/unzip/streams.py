"""The content of a zip's member, decompressed in pieces: never more than a piece is held, whatever the zip claims."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from jobrunner.domain.errors import PackageError
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.entry import Entry

fast_zlib: Any
try:
    from isal import isal_zlib as fast_zlib
except ImportError:  # not built for this processor: the same, slower
    fast_zlib = zlib
try:
    zstd: Any = import_module("compression.zstd")  # from Python 3.14 on
except ImportError:
    zstd = None

PIECE = 1 << 18
_FEED = 1 << 16  # compressed bytes at once; with more, no input fits one piece, and the memory is asked for each time
STORED, DEFLATED, DEFLATE64, BZIP2, LZMA, ZSTD = 0, 8, 9, 12, 14, 93
_MEANINGLESS = "it cannot be decompressed"
_MAX_WINDOW_LOG = 25  # 32 MiB: the most that an LZMA or zstd stream may ask us to remember
_LZMA_END_MARKED = 1 << 1
#: inflate64 gives all that it makes of a feed at once, here at most 3.6 MiB, and never lets go of the feed's memory.
_FEEDS_OF_DEFLATE64 = bytearray(128), bytearray(1)

crc32: Callable[[bytes, int], int] = fast_zlib.crc32
_RAW = -zlib.MAX_WBITS  # deflate without a header


def content(file: ZipBytes, entry: Entry) -> Iterable[bytes]:
    """Return the member's content in pieces of at most PIECE bytes, at least one.

    Size and checksum are for the caller to check. Raises, now or while it is iterated, PackageError where the stream is
    damaged, cut short or followed by other bytes, OSError.
    """
    if entry.method == DEFLATED and entry.compressed_size <= _FEED and entry.size <= PIECE:
        decoder = fast_zlib.decompressobj(_RAW)
        try:
            piece = decoder.decompress(file.read(entry.data_offset, entry.compressed_size), PIECE)
        except _CORRUPT:
            return _pieces(file, entry)  # says what is wrong
        if decoder.eof and not decoder.unused_data and not decoder.unconsumed_tail:
            return (piece,)
    return _pieces(file, entry)


def _pieces(file: ZipBytes, entry: Entry) -> Iterator[bytes]:
    step = PIECE if entry.method == STORED else _FEED
    source = _read(file, entry.data_offset, entry.compressed_size, step)
    is_empty = True
    try:
        for piece in _STREAMS[entry.method](source, entry):
            yield piece
            is_empty = False
    except _CORRUPT as error:
        raise _damaged(entry, _MEANINGLESS) from error
    except OSError as error:
        if error.errno is None:  # bz2's word for damaged data
            raise _damaged(entry, _MEANINGLESS) from error
        raise
    if next(source, b""):
        raise _damaged(entry, "other bytes follow the compressed data")
    if is_empty:
        yield b""


def _read(file: ZipBytes, offset: int, length: int, step: int) -> Iterator[bytes]:
    while length > 0:
        piece = file.read(offset, min(length, step))
        if not piece:
            raise PackageError("its zip ends in the middle: it is cut short")
        yield piece
        offset += len(piece)
        length -= len(piece)


def _stored(source: Iterator[bytes], _entry: Entry) -> Iterator[bytes]:
    return source


def _deflated(source: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    decoder = fast_zlib.decompressobj(_RAW)
    waiting = b""
    while not decoder.eof:
        feed = waiting or next(source, b"")
        output = decoder.decompress(feed, PIECE)
        waiting = decoder.unconsumed_tail
        if output:
            yield output
        elif not decoder.eof and len(waiting) == len(feed):  # isal may hold output back when all input is taken
            raise _damaged(entry, "its data ends too early")
    if waiting or decoder.unused_data:
        raise _damaged(entry, "other bytes follow the compressed data")


def _deflated64(source: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    decoder = import_module("inflate64").Inflater()  # 40 ms, which only a zip with such a member pays
    held = bytearray()
    for feed in _small_feeds(source, entry.compressed_size):
        if decoder.eof:
            raise _damaged(entry, "other bytes follow the compressed data")
        held += decoder.inflate(feed)
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    if not decoder.eof:
        raise _damaged(entry, "its data ends too early")
    if held:
        yield bytes(held)


def _small_feeds(source: Iterator[bytes], left: int) -> Iterator[bytearray]:
    """Yield what is left to read, the last bytes one by one: inflate64 says when it ends, not what it left unread."""
    many, one = _FEEDS_OF_DEFLATE64
    for piece in source:
        for start in range(0, len(piece), len(many)):
            part = piece[start : start + len(many)]
            left -= len(part)
            if left > 0 and len(part) == len(many):
                many[:] = part
                yield many
                continue
            for byte in part:
                one[0] = byte
                yield one


def _bzip2(source: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    return _drained(bz2.BZ2Decompressor(), source, entry, marked=True)


def _lzma(source: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    first = next(source, b"")
    if len(first) < 9 or first[2:4] != b"\5\0":
        raise _damaged(entry, "its LZMA header is not valid")
    properties, dictionary = struct.unpack_from("<BL", first, 4)
    window = min(dictionary, max(entry.size, 4096))  # more than there is to remember is never used
    if window > 1 << _MAX_WINDOW_LOG:
        raise PackageError(
            f"the zip's member {entry.label} wants an LZMA dictionary of {dictionary:,} bytes, "
            f"over {1 << _MAX_WINDOW_LOG:,}: use deflate"
        )
    settings = {"id": lzma.FILTER_LZMA1, "dict_size": max(window, 4096)}
    settings |= {"lc": properties % 9, "lp": properties // 9 % 5, "pb": properties // 45}
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[settings])
    marked = bool(entry.flags & _LZMA_END_MARKED)
    output = _drained(decoder, _chained(first[9:], source), entry, marked=marked)
    return output if marked else _cut(output, entry)


def _zstd(source: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    options = {zstd.DecompressionParameter.window_log_max: _MAX_WINDOW_LOG}
    return _drained(zstd.ZstdDecompressor(options=options), source, entry, marked=True)


def _drained(decoder: Any, source: Iterator[bytes], entry: Entry, *, marked: bool) -> Iterator[bytes]:
    """Yield what a decoder that keeps its own input gives; `marked`: the stream says itself where it ends."""
    while not decoder.eof:
        feed = next(source, b"") if decoder.needs_input else b""
        if decoder.needs_input and not feed:
            if marked:
                raise _damaged(entry, "its data ends too early")
            return
        output = decoder.decompress(feed, PIECE)
        if output:
            yield output
    if decoder.unused_data:
        raise _damaged(entry, "other bytes follow the compressed data")


def _cut(output: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    """Yield what belongs to the member: without an end mark, LZMA's last bytes can be read as a little more."""
    left = entry.size
    for piece in output:
        if left > 0:
            yield piece[:left]
        left -= len(piece)
        if left < -PIECE:
            raise _damaged(entry, "other bytes follow the compressed data")


def _chained(first: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from source


def _damaged(entry: Entry, detail: str) -> PackageError:
    return PackageError(f"the zip's member {entry.label} is damaged: {detail}; it has to be delivered again")


_STREAMS: dict[int, Callable[[Iterator[bytes], Entry], Iterator[bytes]]] = {
    STORED: _stored,
    DEFLATED: _deflated,
    BZIP2: _bzip2,
    LZMA: _lzma,
}
_CORRUPT: tuple[type[Exception], ...] = (zlib.error, fast_zlib.error, lzma.LZMAError, EOFError, ValueError)
if find_spec("inflate64") is not None:
    _STREAMS[DEFLATE64] = _deflated64
if zstd is not None:
    _STREAMS[ZSTD] = _zstd
    _CORRUPT += (zstd.ZstdError,)

#: The compression methods that can be read here.
METHODS = frozenset(_STREAMS)
