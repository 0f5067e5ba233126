"""The corpus of zips: every row of the table of cases, each with what must happen to it."""

import bz2
import io
import random
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jobrunner.domain.settings import ExtractSettings
from tests.zip_builder import (
    BZIP2,
    DEFLATE64,
    DEFLATED,
    DESCRIPTOR,
    DESCRIPTORS,
    ENCRYPTED,
    END_MARK,
    FAT,
    GIB,
    LOCATOR,
    LZMA,
    MAX16,
    MAX32,
    MIB,
    NTFS,
    NTFS_OF_INFOZIP,
    PATCH,
    STORED,
    STRONG,
    TEXT,
    UNIX,
    UTF8,
    VFAT,
    ZSTD,
    Member,
    archive,
    deflated,
    deflated64,
    lzma_head,
    lzma_packed,
    lzma_without_end_mark,
    quoted,
    unicode_path,
)


@dataclass(frozen=True)
class Case:
    """A zip and what must happen to it: `files` are extracted, or it is refused in these `words`."""

    row: str
    name: str
    zip: bytes | Callable[[], bytes]
    files: Mapping[str, bytes] | None = None
    folders: frozenset[str] = frozenset()
    modes: Mapping[str, int] = field(default_factory=dict)
    words: str = ""
    is_early: bool = True
    is_bomb: bool = False
    needs_zstd: bool = False
    settings: ExtractSettings = ExtractSettings(keep_free=0)
    encoding: str = ""
    unlike: frozenset[str] = frozenset()  # tools that, unlike us, are wrong or see other names

    @property
    def content(self) -> bytes:
        return self.zip if isinstance(self.zip, bytes) else self.zip()


ROWS = frozenset(
    [
        "traversal",
        "inner dots",
        "absolute",
        "DOS names",
        "backslash on Unix",
        "0x5C in a letter",
        "NUL",
        "invalid UTF-8",
        "controls",
        "too long",
        "too deep",
        "empty name",
        "symlink",
        "device",
        "FIFO",
        "setuid",
        "mode 0",
        "two contents",
        "one record twice",
        "equal names",
        "nearly equal names",
        "file and folder",
        "other local name",
        "other local fields",
        "overlap",
        "ratio",
        "bzip2 bomb",
        "LZMA dictionary",
        "declares more",
        "declares less",
        "no end mark",
        "bytes left",
        "checksum",
        "truncated",
        "no zip",
        "counts",
        "after the end",
        "two zips",
        "end in comment",
        "prefix",
        "zip64 locator",
        "encrypted",
        "unknown method",
        "split",
        "nested",
        "honest",
        "UTF-8 unflagged",
        "local encodings",
        "0x7075",
        "descriptor",
        "flags",
        "old attributes",
        "folder with a size",
        "needed version",
        "IZArc",
    ]
)

ALL = frozenset({"zipfile", "unzip", "bsdtar"})
ONE = Member("fine")
#: Tools that cannot read a method.
UNREAD = {DEFLATE64: {"zipfile", "bsdtar"}, LZMA: {"unzip"}}


def accepted(
    row: str,
    name: str,
    data: bytes | Callable[[], bytes],
    files: Mapping[str, bytes],
    *,
    folders: Iterable[str] = (),
    unlike: Iterable[str] = (),
    **more: Any,
) -> Case:
    return Case(row, name, data, files, folders=frozenset(folders), unlike=frozenset(unlike), **more)


def refused(row: str, name: str, data: bytes | Callable[[], bytes], words: str, **more: Any) -> Case:
    return Case(row, name, data, words=words, **more)


def _of_names() -> Iterator[Case]:
    leaving = {
        "traversal": ["../x", "a/../../x", "..", "a/..", "../../../../../../etc/passwd", "./../x", "x/../", "../"]
    }
    leaving |= {"inner dots": ["a/../b", "a//../b"], "absolute": ["/abs", "//host/x", "/../x", "//", "/etc/"]}
    for row, names in leaving.items():
        for name in names:
            yield refused(row, name, archive(ONE, Member(name, b"")), f"member {name} would leave the package's folder")
    for system in (FAT, NTFS, NTFS_OF_INFOZIP, VFAT):
        dos = {"..\\x": "would leave", "a\\..\\x": "would leave", "\\\\host\\share\\x": "would leave"}
        dos |= {"\\x": "would leave", "C:x": "names a drive", "c:\\x": "names a drive", "C:/x": "names a drive"}
        for name, words in dos.items():
            data = archive(ONE, Member(name, system=system))
            yield refused("DOS names", f"{name} from {system}", data, f"{name.replace(chr(92), '/')} {words}")
        members = [
            Member("a\\b\\c", system=system),
            Member("a\\d\\", b"", STORED, system),
            Member("e/f", system=system),
        ]
        files = {"a/b/c": TEXT, "e/f": TEXT}
        yield accepted(
            "DOS names",
            f"folders from {system}",
            archive(*members),
            files,
            folders={"a/d"},
            unlike={"zipfile", "unzip", "bsdtar"},
        )
    for name in ("a\\b", "C:\\x", "\\x", "a\\"):
        yield accepted("backslash on Unix", name, archive(Member(name)), {name: TEXT}, unlike=ALL)
    for name in ("..\\x", "a\\..\\..\\x", "a/b\\.."):
        yield refused("backslash on Unix", name, archive(ONE, Member(name)), "would leave")


def _of_letters() -> Iterator[Case]:
    for text, codec in (("表\\x", "cp932"), ("ソ", "cp932"), ("\u8a95\\..\\x", "cp932")):
        raw = text.encode(codec)
        assert b"\\" in raw
        settings = ExtractSettings(keep_free=0, encoding=codec)
        if ".." in text:
            yield refused("0x5C in a letter", text, archive(Member(raw, system=FAT)), "would leave", settings=settings)
        else:
            data = archive(Member(raw, system=FAT))
            files = {text.replace("\\", "/"): TEXT}
            yield accepted("0x5C in a letter", text, data, files, settings=settings, encoding=codec, unlike=ALL)
    gbk = "\u4e55\u8a95.csv".encode("gbk") + b"\x81\x5c"  # 乗: its second byte is 0x5C in GBK
    settings = ExtractSettings(keep_free=0, encoding="gbk")
    files = {gbk.decode("gbk"): TEXT}
    yield accepted("0x5C in a letter", "GBK", archive(Member(gbk, system=FAT)), files, settings=settings, unlike=ALL)
    for codec, names in {"gb18030": ["报告誠.csv", "测试数据乗"], "cp932": ["測定ソフト表", "予定表.csv"]}.items():
        for system in (FAT, NTFS, UNIX):
            raws = [name.encode(codec) for name in names]
            assert all(b"\\" in raw for raw in raws)
            data = archive(*[Member(raw, system=system) for raw in raws])
            files = dict.fromkeys(names, TEXT)
            yield accepted("0x5C in a letter", f"{codec} found, from {system}", data, files, encoding=codec, unlike=ALL)
    for name, codec in {"誠.csv": "gbk", "申請.pdf": "cp932", "貼付/x": "cp932"}.items():
        data = archive(Member(name.encode(codec), system=FAT))
        files = {name.encode(codec).decode("cp437"): TEXT}
        yield accepted("0x5C in a letter", f"{name}, not found", data, files, encoding="cp437", unlike=ALL)
    data = archive(Member("Übersicht\\Größe\\Fuß.txt".encode("cp437"), system=FAT))
    files = {"Übersicht/Größe/Fuß.txt": TEXT}
    yield accepted("0x5C in a letter", "not at all: CP437", data, files, encoding="cp437", unlike=ALL)
    for raw in (b"a\0b", b"\0", b"fine.txt\0.exe", b"\0/../x"):
        yield refused("NUL", repr(raw), archive(ONE, Member(raw)), r"\x00")
    for raw in (b"\xff\xfe", b"\xc0\xae\xc0\xae/x", b"\xed\xa0\x80", b"a\x80"):
        member = Member(raw, both={"flags": UTF8})
        yield refused("invalid UTF-8", repr(raw), archive(ONE, member), "says that its name is UTF-8, which it is not")
    for name in ("new\nline", "\x1b[2Jred", "tab\tbell\a", "\u202egpj.exe", " ", "\x7f"):
        yield accepted("controls", ascii(name), archive(Member(name)), {name: TEXT}, unlike={"unzip"})
    yield refused(
        "controls", "in a refused name", archive(ONE, Member("../new\nline\x1b")), r"../new\nline\x1b would leave"
    )
    yield accepted("too long", "255 bytes", archive(Member("n" * 255)), {"n" * 255: TEXT})
    for name in ("n" * 256, "é" * 128, "a/" + "b" * 300 + "/c", "/".join(["d" * 200] * 20), "n" * 65_535, "界" * 86):
        data = archive(ONE, Member(name))
        yield refused("too long", f"{name[:3]} {len(name)}", data, "too long or too deep for a file (255 bytes a part")
    deepest = "/".join(["d"] * 256)
    yield accepted("too deep", "256 levels", archive(Member(deepest)), {deepest: TEXT})
    for name in ("d/" * 257, "d/" * 30_000, "/".join(["d"] * 257)):
        yield refused("too deep", str(len(name)), archive(ONE, Member(name, b"")), "too long or too deep")
    few = ExtractSettings(keep_free=0, max_entries=300)
    many = [Member(f"{number}/" + "d/" * 200 + "x") for number in range(2)]
    yield refused("too deep", "implied folders count", archive(*many), "than extract.max_entries (300)", settings=few)


def _of_empty_names() -> Iterator[Case]:
    yield refused("empty name", "a file", archive(ONE, Member(b"")), "a member without a name")
    for name in (".", "./.", "./"):
        words = "a folder with content" if name == "./" else "a member without a name"
        yield refused("empty name", f"{name} with content", archive(ONE, Member(name)), words)
    for name in ("/", "./", "././/", ".//"):
        data = archive(ONE, Member(name, b"", STORED))
        yield accepted("empty name", f"{name} alone is nothing", data, {"fine": TEXT}, unlike=ALL)


def _of_kinds() -> Iterator[Case]:
    for row, kind, name, content in [
        ("symlink", stat.S_IFLNK, "to the outside", b"../../outside"),
        ("symlink", stat.S_IFLNK, "to the inside", b"fine"),
        ("symlink", stat.S_IFLNK, "absolute", b"/etc/passwd"),
        ("device", stat.S_IFCHR, "of characters", b""),
        ("device", stat.S_IFBLK, "of blocks", b""),
        ("device", stat.S_IFSOCK, "socket", b""),
        ("device", 0o150000, "of no kind", b""),
    ]:
        words = "member bad is a " + ("symbolic link" if row == "symlink" else "device or socket")
        for system in (UNIX, FAT):
            data = archive(ONE, Member("bad", content, STORED, system, kind | 0o777), Member("bad/x"))
            yield refused(row, f"{name}, system {system}", data, words)
    data = archive(Member("-", mode=stat.S_IFIFO | 0o600))
    yield accepted("FIFO", "what zip writes of a pipe", data, {"-": TEXT}, modes={"-": 0o644}, unlike={"bsdtar"})
    yield accepted("FIFO", "empty", archive(Member("-", b"", mode=stat.S_IFIFO)), {"-": b""}, unlike={"bsdtar"})
    for given, mode in [(0o4755, 0o755), (0o2755, 0o755), (0o1777, 0o755), (0o7777, 0o755), (0o666, 0o644)]:
        data = archive(Member(mode=stat.S_IFREG | given))
        yield accepted("setuid", oct(given), data, {"a": TEXT}, modes={"a": mode})
    for given, mode in [(0, 0o644), (0o400, 0o644), (0o111, 0o755), (0o555, 0o755)]:
        data = archive(Member("d/", b"", STORED, mode=stat.S_IFDIR | given), Member("d/a", mode=stat.S_IFREG | given))
        yield accepted("mode 0", oct(given), data, {"d/a": TEXT}, modes={"d": 0o755, "d/a": mode})
    yield accepted("mode 0", "none at all", archive(Member(mode=0)), {"a": TEXT}, modes={"a": 0o644})
    yield refused(
        "file and folder", "a folder with content", archive(ONE, Member("d/")), "member d/ is a folder with content"
    )
    folder = Member("d", b"", STORED, mode=stat.S_IFDIR | 0o755)
    data = archive(folder, Member("d/a"))
    yield accepted("file and folder", "a folder without a slash", data, {"d/a": TEXT}, unlike={"zipfile", "unzip"})


def _of_conflicts() -> Iterator[Case]:
    two = "the zip has two members named a"
    for row, name, first, second in [
        ("two contents", "same name", "a", "a"),
        ("two contents", "same name and content", "a", "a"),
        ("equal names", "a slash more", "a/b", "a//b"),
        ("equal names", "a dot", "a/b", "./a/b"),
        ("equal names", "dots in the middle", "a/b", "a/./b"),
    ]:
        data = archive(Member(first), Member(second, TEXT if "content" in name else b"other"))
        yield refused(row, name, data, two)
    yield refused(
        "equal names", "by a backslash", archive(Member("a/b"), Member("a\\b", system=FAT)), "two members named a/b"
    )
    path = unicode_path(b"x", b"a")
    yield refused("equal names", "by 0x7075", archive(Member("a"), Member("x", b"other", extra=path)), two)
    yield accepted(
        "one record twice",
        "next to each other",
        archive(Member(), listed=(0, 0)),
        {"a": TEXT},
        unlike={"unzip", "zipfile"},
    )
    data = archive(Member(local={"extra": bytes(60_000)}), listed=(0, 0))
    yield accepted("one record twice", "with a long extra field", data, {"a": TEXT}, unlike=ALL)
    data = archive(Member(), Member("b"), listed=(0, 1, 0))
    yield accepted("one record twice", "apart", data, {"a": TEXT, "b": TEXT}, unlike={"unzip", "zipfile"})
    again = Member(is_written=False, central={"offset": 0, "method": STORED})
    yield refused("one record twice", "with another method", archive(Member(), again), "described in two ways")
    for name, names in {
        "case": ("a", "A"),
        "case of a folder": ("d/a", "D/a"),
        "NFC and NFD": ("\u00e9", "e\u0301"),
        "full width": ("a", "\uff41"),
        "percent": ("a b", "a%20b"),
        "blank at the end": ("a", "a "),
    }.items():
        data = archive(*[Member(one, one.encode()) for one in names])
        yield accepted(
            "nearly equal names",
            name,
            data,
            {one: one.encode() for one in names},
            unlike={"bsdtar"} if "NFC" in name else (),
        )
    clash = "is a file and a folder at once"
    for name, names in {
        "file first": ("a", "a/b"),
        "folder first": ("a/b", "a"),
        "folder by name": ("a/", "a"),
        "deep": ("a/b/c/d", "a/b"),
        "by a dot": ("./a", "a/b"),
    }.items():
        members = [Member(one, b"" if one.endswith("/") else TEXT) for one in names]
        yield refused("file and folder", name, archive(ONE, *members), clash)
    yield accepted(
        "file and folder", "folder twice", archive(Member("d/", b""), Member("d/", b""), Member("d/a")), {"d/a": TEXT}
    )


def _of_records() -> Iterator[Case]:
    other = "has another name in its own record"
    for name, raw in [
        ("shorter", b"f"),
        ("longer", b"fine2"),
        ("same length", b"evil"),
        ("of another case", b"Fine"),
    ]:
        yield refused("other local name", name, archive(Member("fine", local={"name": raw})), other)
    yield refused("other local name", "unflagged", archive(Member("é", local={"name": b"e"})), other)
    good, evil = unicode_path(b"fine", "fïne".encode()), unicode_path(b"fine", b"evil")
    two = "member fine has two names: it is malformed"
    for name, member in {
        "0x7075 of its own": Member("fine", local={"extra": evil}),
        "another 0x7075": Member("fine", extra=good, local={"extra": evil}),
        "0x7075 far behind": Member("fine", local={"extra": struct.pack("<2H", 7, 200) + bytes(200) + evil}),
    }.items():
        yield refused("other local name", name, archive(ONE, member), two)
    same = Member("fine", local={"extra": unicode_path(b"fine", b"fine")})
    yield accepted("other local name", "0x7075 that says the same", archive(same), {"fine": TEXT})
    behind = Member("fine", central={"extra": good})
    yield accepted("other local name", "0x7075 in the directory only", archive(behind), {"fïne": TEXT}, unlike=ALL)
    for key, value in {
        "flags": ENCRYPTED, "method": STORED, "size": 9, "compressed": 3, "crc": 1,
    }.items():  # fmt: skip
        words = "is described in two ways (" + (
            "flags or method" if key in {"flags", "method"} else "sizes or checksum"
        )
        yield refused(
            "other local fields", f"local {key}", archive(ONE, Member(local={key: value})), f"member a {words}"
        )
        if key != "compressed":
            yield refused("other local fields", f"central {key}", archive(ONE, Member(central={key: value})), words)
    for flag, name in {PATCH: "patch", STRONG: "strong encryption", 1 << 13: "masked"}.items():
        data = archive(Member(local={"flags": flag}))
        yield refused("other local fields", f"local flag {name}", data, "in two ways (flags or method)")
    zip64 = struct.pack("<2H2Q", 1, 16, 9, len(deflated(TEXT)))
    data = archive(Member(zip64=True, local={"extra": zip64}))
    yield refused("other local fields", "zip64 size", data, "in two ways (sizes or checksum)")
    data = archive(Member(zip64=True, local={"extra": b""}))
    yield refused("other local fields", "zip64 field missing", data, "in two ways (sizes or checksum)")
    second = Member(zip64=True, extra=struct.pack("<2H2Q", 1, 16, 8, len(deflated(TEXT)) + 1))
    words = "member a has two extra fields of one kind"
    yield refused("other local fields", "two zip64 fields", archive(second), words)
    missing: dict[str, tuple[dict[str, int], str]] = {
        "size": ({"size": MAX32}, "in two ways (sizes or checksum)"),
        "offset": ({"offset": MAX32}, "not where the directory says"),
        "disk": ({"disk": MAX16}, "one part of a split archive"),
    }
    for name, (central, words) in missing.items():
        yield refused(
            "other local fields", f"central zip64 {name} missing", archive(ONE, Member(central=central)), words
        )
    both = {"size": MAX32, "compressed": len(deflated(TEXT))}
    data = archive(ONE, Member(both=both))
    yield refused("declares more", "0xFFFFFFFF without zip64 is that size", data, "declares 4,294,967,303 bytes in ")
    cut = struct.pack("<2HL", 1, 4, 8)
    yield refused(
        "other local fields", "zip64 field cut", archive(Member(both=both | {"extra": cut})), "zip64 field is too short"
    )
    for name, local in {
        "time": {"time": 0},
        "date": {"date": 0},
        "version": {"needed": 45},
        "level flags": {"flags": 2},
    }.items():
        yield accepted(
            "other local fields", f"{name} does not matter", archive(Member(local=local)), {"a": TEXT}, unlike=ALL
        )
    for name, offset in {"beyond the end": 10**6, "4 GiB": MAX32 - 1, "one off": 1, "in the directory": 60}.items():
        data = archive(Member(central={"offset": offset}))
        yield refused("overlap", f"an offset {name}", data, "member a is not where the directory says")
    for number in (2**63 - 1, 2**63, 2**64 - 1):
        extra = struct.pack("<2HQ", 1, 8, number)
        data = archive(Member(central={"offset": MAX32, "extra": extra}))
        yield refused("overlap", f"an offset of {number}", data, "not where the directory says")
        extra = struct.pack("<2H2Q", 1, 16, 8, number)
        data = archive(Member(central={"size": MAX32, "compressed": MAX32, "extra": extra}))
        yield refused("overlap", f"a compressed size of {number}", data, "reaches into the directory")
    yield refused(
        "overlap",
        "full: two records, one place",
        archive(Member("a"), Member("b", is_written=False)),
        "has another name in its own record",
    )
    yield refused("overlap", "quoted by deflate", quoted(by_extra=False), "overlaps another one")
    yield refused("overlap", "quoted by an extra field", quoted(by_extra=True), "overlaps another one")
    yield refused(
        "overlap", "by one byte", archive(Member(both={"compressed": len(deflated(TEXT)) + 1}), Member("b")), "overlaps"
    )
    data = archive(ONE, Member(both={"compressed": len(deflated(TEXT)) + 1}))
    yield refused("overlap", "with the directory", data, "member a reaches into the directory")
    data = archive(Member(local={"extra": bytes(9_000)}), listed=(0,) * 1_000)
    yield refused("overlap", "one long record a thousand times", data, "lists the same places again and again")
    data = archive(ONE, Member(local={"extra_length": 40_000}))
    yield refused("overlap", "an extra field into the directory", data, "reaches into the directory")


@cache
def zeros(mebibytes: int) -> bytes:
    """Deflate so many MiB of zeros, a MiB at a time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return one * mebibytes + b"\3\0"


@cache
def bzip2_zeros() -> bytes:
    return bz2.compress(bytes(128 * MIB))


@cache
def lzma_zeros() -> bytes:
    return lzma_packed(bytes(128 * MIB))


def _of_sizes() -> Iterator[Case]:
    sizes = struct.pack("<2H2Q", 1, 16, 51 * GIB, len(deflated(TEXT)))
    zip64 = Member(both={"size": MAX32, "compressed": MAX32, "extra": sizes})
    yield refused("ratio", "51 GiB declared", archive(ONE, zip64), "over extract.max_size (53,687,091,200)")
    honest = Member(both={"size": GIB + 1})
    yield refused("ratio", "1 GiB and 1 byte in 200", archive(honest), "over extract.max_ratio (200)")
    many = [Member(str(number), both={"size": GIB // 10}) for number in range(11)]
    yield refused("ratio", "many members together", archive(*many), "over extract.max_ratio (200)")

    def honest_bomb() -> bytes:
        return archive(Member("bomb", packed=zeros(1200), both={"size": 1200 * MIB, "crc": 0}))

    yield refused("ratio", "1.2 GB of zeros", honest_bomb, "over extract.max_ratio (200)", is_bomb=True)
    small = ExtractSettings(keep_free=0, max_size=3)
    yield refused(
        "ratio",
        "max_size",
        archive(Member()),
        "would take 4,096 bytes of the disk, over extract.max_size (3)",
        settings=small,
    )
    huge = MAX32 - 1
    rich = ExtractSettings(keep_free=0, max_ratio=10**9)
    for name, data, size in [
        ("3 GB", TEXT, 3 * 10**9),
        ("4 GiB less 2", TEXT, huge),
        ("one byte", TEXT, 9),
        ("twice", TEXT, 16),
    ]:
        for method in (STORED, DEFLATED, DEFLATE64, BZIP2, LZMA):
            words = f"declares {size:,} bytes and holds 8"
            made = archive(Member(content=data, method=method, both={"size": size}))
            yield refused("declares more", f"{name}, method {method}", made, words, settings=rich, is_early=False)
    for size in (8, 300_000):
        for method in (STORED, DEFLATED, DEFLATE64, BZIP2, LZMA):
            made = archive(ONE, Member("lost", b"", method, both={"size": size}), Member("b"))
            words = f"member lost declares {size:,} bytes and holds 0"
            yield refused("declares more", f"{size} and holds none, method {method}", made, words, is_early=False)
    for method in (STORED, DEFLATED, DEFLATE64, BZIP2, LZMA):
        made = archive(Member(content=bytes(10**6), method=method, both={"size": 10}))
        yield refused(
            "declares less", f"method {method}", made, "holds more than the 10 bytes declared", is_early=False
        )

    def bomb(method: int, data: Callable[[], bytes]) -> Callable[[], bytes]:
        flags = END_MARK if method == LZMA else 0
        return lambda: archive(Member("bomb", method=method, packed=data(), both={"size": 10, "flags": flags}))

    words = "holds more than the 10 bytes declared"
    yield refused(
        "declares less", "deflate bomb", bomb(DEFLATED, lambda: zeros(1200)), words, is_early=False, is_bomb=True
    )
    zeros64 = bomb(DEFLATE64, lambda: deflated64(bytes(128 * MIB)))
    yield refused("declares less", "deflate64 bomb", zeros64, words, is_early=False, is_bomb=True)
    yield refused("bzip2 bomb", "size lies", bomb(BZIP2, bzip2_zeros), words, is_early=False, is_bomb=True)
    yield refused("declares less", "LZMA bomb", bomb(LZMA, lzma_zeros), words, is_early=False, is_bomb=True)

    def true_bomb() -> bytes:
        return archive(Member("bomb", method=BZIP2, packed=bzip2_zeros(), both={"size": 128 * MIB, "crc": 1}))

    yield refused(
        "bzip2 bomb", "checksum lies", true_bomb, "its checksum is not the declared one", is_early=False, is_bomb=True
    )
    for dictionary in (MAX32, GIB):
        member = Member(method=LZMA, content=TEXT, packed=lzma_head(dictionary) + lzma_packed(TEXT)[9:])
        yield accepted("LZMA dictionary", f"{dictionary} for 8 bytes", archive(member), {"a": TEXT}, unlike=ALL)
        member = Member(
            method=LZMA, content=TEXT, packed=lzma_head(dictionary) + lzma_packed(TEXT)[9:], both={"size": huge}
        )
        words = f"wants an LZMA dictionary of {dictionary:,} bytes, over 33,554,432"
        yield refused(
            "LZMA dictionary",
            f"{dictionary} for 4 GiB",
            archive(member),
            words,
            settings=rich,
            is_early=False,
            is_bomb=True,
        )
    settings = ExtractSettings(keep_free=0, max_entries=2)
    yield refused(
        "counts",
        "more members than allowed",
        archive(*map(Member, "abc")),
        "than extract.max_entries (2)",
        settings=settings,
    )


def _of_streams() -> Iterator[Case]:
    late: dict[str, Any] = {"is_early": False}
    whole = random.Random(7).randbytes(3000)
    for method, name in [(DEFLATED, "deflate"), (DEFLATE64, "deflate64"), (BZIP2, "bzip2"), (LZMA, "LZMA")]:
        packed = Member(content=whole, method=method).data
        for cut in (1, 2, len(packed) // 2, len(packed)):
            member = Member(content=whole, method=method, packed=packed[: len(packed) - cut])
            yield refused("no end mark", f"{name} cut by {cut}", archive(member), "member a ", **late)
        for rest in (b"\0", b"PK", TEXT * 100):
            member = Member(content=whole, method=method, packed=packed + rest)
            yield refused(
                "bytes left",
                f"{name} and {len(rest)}",
                archive(member),
                "member a is damaged: other bytes follow",
                **late,
            )
        broken = packed[:40] + bytes(200) + packed[240:]
        yield refused(
            "checksum",
            f"{name} damaged",
            archive(Member(content=whole, method=method, packed=broken)),
            "member a ",
            **late,
        )
        empty = Member(content=b"", method=method)
        odd = {"bsdtar"} if method == LZMA else set()
        yield accepted("honest", f"empty {name}", archive(empty), {"a": b""}, unlike=UNREAD.get(method, set()) | odd)
    open_block = b"\0\x08\0\xf7\xff" + TEXT
    yield refused(
        "no end mark", "one block, not the last", archive(Member(packed=open_block)), "its data ends too early", **late
    )
    hollow = Member(packed=b"", both={"size": 8, "crc": 0})
    yield refused("no end mark", "no bytes, checksum 0", archive(hollow), "its data ends too early", **late)
    hollow = Member(content=b"", packed=b"")
    yield refused("no end mark", "no bytes, for nothing", archive(hollow), "its data ends too early", **late)
    yield refused(
        "bytes left",
        "stored longer than declared",
        archive(Member(method=STORED, packed=TEXT * 2)),
        "holds more",
        **late,
    )
    twice = Member(content=whole * 2, method=BZIP2, packed=bz2.compress(whole) * 2)
    yield refused("bytes left", "a second bzip2 stream", archive(twice), "other bytes follow", **late)
    for crc in (0, 1, MAX32):
        member = Member(both={"crc": crc})
        yield refused(
            "checksum", f"{crc} for content", archive(ONE, member), "its checksum is not the declared one", **late
        )
    for method in (STORED, DEFLATED, DEFLATE64, BZIP2, LZMA):
        member = Member(content=whole[:-1] + b"!", method=method, both={"crc": zlib.crc32(whole)})
        yield refused("checksum", f"other content, method {method}", archive(member), "its checksum is not", **late)
    for properties in (225, 255, 8):
        member = Member(method=LZMA, packed=lzma_head(MIB, properties) + lzma_packed(TEXT)[9:])
        yield refused("LZMA dictionary", f"properties {properties}", archive(member), "member a is damaged", **late)
    for head in (b"", b"\x09\x04\x05", b"\x09\x04\x06\x00" + bytes(9)):
        member = Member(method=LZMA, packed=head)
        yield refused("LZMA dictionary", f"head {head.hex()}", archive(member), "its LZMA header is not valid", **late)
    plain = b"".join(b"line %d\n" % number for number in range(2000))
    for content, name in ((plain, "text"), (whole, "noise"), (b"x", "a byte"), (bytes(5000), "zeros")):
        member = Member(content=content, method=LZMA, packed=lzma_without_end_mark(content), both={"flags": 0})
        yield accepted("honest", f"LZMA without end mark: {name}", archive(member), {"a": content}, unlike={"unzip"})

    def packed_as(packed: bytes) -> bytes:
        return archive(Member(content=plain, method=LZMA, packed=packed, both={"flags": 0}))

    short = packed_as(lzma_without_end_mark(plain)[:-6])
    yield refused("no end mark", "LZMA without one, cut", short, "member a ", **late)

    @cache
    def longer() -> bytes:  # which takes its time to make
        return packed_as(lzma_without_end_mark(plain + bytes(MIB // 2)))

    yield refused("no end mark", "LZMA without one, longer", longer, "member a ", **late)


def _of_ends() -> Iterator[Case]:
    whole = archive(ONE, Member("b", random.Random(3).randbytes(500)))
    for cut in (1, 10, 18, 19, 22, 40, 100, 300):
        words = "its comment is cut" if cut <= 18 else "its zip has no end: it was cut short"
        yield refused("truncated", f"by {cut}", whole[:-cut], words)
    yield refused("truncated", "after a nested zip", archive(Member("in.zip", whole, STORED))[:-150], "its zip")
    for name, data, words in (
        ("empty", b"", "but an empty file"),
        ("a byte", b"P", "it has no end record in 1 B"),
        ("HTML", b"<html>404</html>" * 50, "but a web page (HTML)"),
        ("RAR", b"Rar!\x1a\7\1\0" + bytes(99), "but a RAR archive"),
        ("gzip", b"\x1f\x8b\x08" + bytes(50), "but a gzip file"),
        ("zeros", bytes(70_000), "it has no end record in 70,000 B"),
        ("7z", b"7z\xbc\xaf\x27\x1c" + bytes(26), "but a 7z archive"),
    ):
        yield refused("no zip", name, data, words)
    yield refused("no zip", "beheaded", whole[20:], "its zip")
    for name, end in {
        "one more": 3, "one less": 1, "none": 0,
    }.items():  # fmt: skip
        yield refused(
            "counts", name, archive(ONE, Member("b"), end={"count": end, "disk_count": end}), "members and lists 2"
        )
    yield refused(
        "counts",
        "65,536 more, zip64",
        archive(ONE, zip64=True, end64={"count": 65_537, "disk_count": 65_537}),
        "lists 1",
    )
    yield refused("counts", "a longer directory", archive(ONE, end={"length": 57}), "its zip")
    yield refused("counts", "a shorter directory", archive(ONE, end={"length": 40}), "its zip")
    yield refused(
        "counts", "a directory beyond the beginning", archive(ONE, end={"length": 10**6}), "lies before its beginning"
    )
    yield refused("counts", "a later directory", archive(ONE, end={"offset": 10**6}), "lies before its beginning")
    yield refused("counts", "an earlier directory", archive(ONE, end={"offset": 3}), "begins before what it lists")
    for name, central in {"name": "name_length", "extra": "extra_length", "comment": "comment_length"}.items():
        yield refused(
            "counts",
            f"a record whose {name} is cut",
            archive(Member(central={central: 60_000})),
            "its last record is cut",
        )
    yield refused(
        "counts", "not a record", archive(Member(central={"mark": b"PK\1\3"})), "something in it is not a record"
    )
    yield refused(
        "counts", "bytes in the directory", archive(ONE, directory=lambda made: made + b"rest"), "is not a record"
    )
    repeated = (0,) * 65_600
    yield accepted(
        "counts", "65,600 records without zip64",
        archive(ONE, listed=repeated, end={"count": 64, "disk_count": 64}), {"fine": TEXT}, unlike=ALL,
    )  # fmt: skip
    yield accepted(
        "counts", "modulo 65,536 beside zip64",
        archive(ONE, listed=repeated, zip64=True, end={"count": 64, "disk_count": 64}), {"fine": TEXT}, unlike=ALL,
    )  # fmt: skip
    yield accepted(
        "counts",
        "a zip64 record of 56 bytes",
        archive(ONE, zip64=True, end64={"record_size": 56}),
        {"fine": TEXT},
        unlike={"unzip"},
    )
    yield accepted("after the end", "zeros", archive(ONE, suffix=bytes(512)), {"fine": TEXT})
    yield accepted(
        "after the end", "zeros, 64 KiB", archive(ONE, comment=b"c", suffix=bytes(65_536)), {"fine": TEXT}, unlike=ALL
    )
    for name, suffix in {"a line": b"\r\n", "white space": b" \t\n\r\n", "lines and zeros": b"\r\n" + bytes(9)}.items():
        yield accepted("after the end", name, archive(ONE, suffix=suffix), {"fine": TEXT}, unlike=ALL)
    for name, data in {
        "a byte": archive(ONE, suffix=b"x"),
        "a line with a word": archive(ONE, suffix=b"\r\nx\r\n"),
        "zeros and a byte": archive(ONE, suffix=bytes(9) + b"x"),
        "a comment that is cut": archive(ONE, end={"comment_length": 9}),
        "a comment that is longer": archive(ONE, comment=b"four", end={"comment_length": 2}),
    }.items():
        yield refused("after the end", name, data, "followed by other bytes, or its comment is cut")


def _of_several_ends() -> Iterator[Case]:
    whole = archive(ONE, Member("b", random.Random(3).randbytes(500)))
    first, second = archive(Member("first")), archive(Member("second"))
    yield refused("two zips", "one behind the other", first + second, "two zips in one file")
    yield refused("two zips", "the first empty", archive() + second, "two zips in one file")
    fake = archive()
    yield refused(
        "end in comment", "an empty zip that fits", archive(ONE, comment=b"note" + fake), "two ends that both fit"
    )
    yield refused("end in comment", "a whole zip that fits", archive(ONE, comment=second), "two ends that both fit")
    data = archive(ONE, comment=b"PK\5\6 is a mark, nothing more, though it is long enough")
    yield accepted("end in comment", "only its mark", data, {"fine": TEXT}, unlike=ALL)
    yield accepted(
        "end in comment", "one that does not fit", archive(ONE, comment=fake + b"more"), {"fine": TEXT}, unlike=ALL
    )
    yield accepted("honest", "a comment", archive(ONE, comment=b"from the laboratory"), {"fine": TEXT})
    yield accepted("honest", "the longest comment", archive(ONE, comment=b"c" * MAX16), {"fine": TEXT})
    script = b"#!/bin/sh\nexec unzip $0\n"
    for shifted in (True, False):
        data = archive(ONE, Member("b"), prefix=script, shifted=shifted)
        yield accepted("prefix", f"script, shifted {shifted}", data, {"fine": TEXT, "b": TEXT})
        data = archive(ONE, prefix=script, shifted=shifted, zip64=True)
        yield accepted("prefix", f"zip64, shifted {shifted}", data, {"fine": TEXT}, unlike=ALL)
        data = archive(ONE, prefix=b"MZ" + bytes(100_000), shifted=shifted)
        yield accepted("prefix", f"program, shifted {shifted}", data, {"fine": TEXT})
    yield accepted("prefix", "of an empty zip", archive(prefix=script), {}, unlike=ALL)
    yield accepted("honest", "zip64", archive(Member(zip64=True), zip64=True), {"a": TEXT})
    yield accepted("honest", "zip64 end only", archive(Member(), zip64=True), {"a": TEXT})
    yield accepted("honest", "zip64 members only", archive(Member(zip64=True)), {"a": TEXT})
    for name, locator in {
        "elsewhere": {"at": 0}, "one off": {"at": 104}, "far": {"at": 2**63}, "on another disk": {"disk": 1},
    }.items():  # fmt: skip
        yield refused("zip64 locator", name, archive(ONE, zip64=True, locator=locator), "locator points elsewhere")
    yield refused(
        "zip64 locator",
        "a gap behind its record",
        archive(ONE, zip64=True, end64={"mark": b"PK\6\0"}),
        "points nowhere",
    )
    for name, end in {
        "count": {"count": 1, "disk_count": 7}, "length": {"length": 1}, "offset": {"offset": 1}, "disk": {"disk": 3},
    }.items():  # fmt: skip
        yield refused("zip64 locator", f"old {name} disagrees", archive(ONE, zip64=True, end=end), "two end records")
    for name, end64 in {
        "record size": {"record_size": 45},
        "length": {"length": 2**64 - 1},
        "offset": {"offset": 2**64 - 1},
    }.items():
        yield refused("zip64 locator", f"its {name}", archive(ONE, zip64=True, end64=end64), "its zip")
    bare = LOCATOR.pack(b"PK\6\7", 0, 0, 1)
    yield refused("zip64 locator", "without a record", archive(ONE, between=bare), "its zip")
    yield refused("zip64 locator", "alone", bare + archive(), "its zip")
    for name, end in {
        "this disk": {"disk": 1}, "directory's disk": {"directory_disk": 1}, "count on this disk": {"disk_count": 0},
    }.items():  # fmt: skip
        yield refused("split", name, archive(ONE, end=end), "one part of a split archive")
    yield refused("split", "zip64", archive(ONE, zip64=True, end64={"disk": 2}, end={"disk": 2}), "split archive")
    last = {"disk": 3, "directory_disk": 3}
    data = archive(ONE, zip64=True, end64=last, locator={"disk": 3, "disks": 4}, end=last)
    yield refused("split", "zip64, as zip writes its last part", data, "one part of a split archive")
    yield refused("split", "a member on another disk", archive(ONE, Member(central={"disk": 1})), "split archive")
    yield refused("split", "its last part alone", whole[400:], "its zip")
    yield refused("split", "its first part alone", b"PK\7\x08" + whole[:400], "the first part of a split archive")


def _of_methods() -> Iterator[Case]:
    locked = "member bad is password-protected: deliver it without a password"
    for name, flags in {"ZipCrypto": ENCRYPTED, "strong": ENCRYPTED | STRONG, "strong alone": STRONG}.items():
        yield refused("encrypted", name, archive(ONE, Member("bad", both={"flags": flags})), locked)
    aes = struct.pack("<2HH2sBH", 0x9901, 7, 2, b"AE", 3, 8)
    yield refused("encrypted", "AES", archive(ONE, Member("bad", method=99, extra=aes, both={"flags": 1})), locked)
    yield refused("encrypted", "AES without the flag", archive(ONE, Member("bad", method=99, extra=aes)), locked)
    yield refused(
        "encrypted", "with a descriptor", archive(Member("bad", descriptor="signed", both={"flags": 9})), locked
    )
    for method, name in {
        1: "shrink", 6: "implode", 95: "xz", 96: "jpeg", 97: "wavpack", 98: "ppmd", 2: "method 2",
        10: "method 10", 18: "method 18", 20: "method 20", 94: "method 94", MAX16: "method 65535",
    }.items():  # fmt: skip
        words = f"member bad is compressed with {name}, which is not supported: use deflate"
        yield refused("unknown method", name, archive(ONE, Member("bad", method=method)), words)


def _of_descriptors() -> Iterator[Case]:
    wrong = "member a has a data descriptor that is cut, or has another checksum or size than the directory"
    absent = "member a has no data descriptor with the directory's checksum and sizes behind its content"
    for kind, form in DESCRIPTORS.items():
        words = wrong if kind.startswith("signed") else absent
        for method in (STORED, DEFLATED):
            for key in ("crc", "compressed", "size"):
                data = archive(ONE, Member(method=method, descriptor=kind, behind={key: 9}), Member("b"))
                yield refused("descriptor", f"{kind} with another {key}, method {method}", data, words)
        for kept in (0, 3, struct.calcsize(form) - 1):
            member = Member(descriptor=kind, kept=kept)
            words = wrong if kept > 4 and kind.startswith("signed") else absent
            yield refused("descriptor", f"{kind} of {kept} bytes", archive(ONE, member, Member("b")), words)
            yield refused("descriptor", f"{kind} of {kept} bytes, the last", archive(ONE, member), words)
    for name, mark in {"the next record": b"PK\3\4", "the directory": b"PK\1\2"}.items():
        size = {"size": int.from_bytes(mark, "little")}  # its last bytes and the first of what follows are the same
        sharing = Member(content=b"", both=size, behind=size, descriptor="bare", kept=8)
        words = "member b overlaps another one" if name == "the next record" else absent
        members = (sharing, Member("b")) if name == "the next record" else (sharing,)
        yield refused("descriptor", f"overlapped by {name}", archive(*members), words)
    told = {"crc": zlib.crc32(TEXT), "compressed": len(deflated(TEXT)), "size": len(TEXT)}
    data = archive(Member(descriptor="signed", local=told, behind={"crc": 9}), Member("b"))
    yield refused("descriptor", "wrong behind a local record that is right", data, wrong)
    for kind in DESCRIPTORS:
        data = archive(Member(descriptor=kind, local=told), Member("b"))
        yield accepted(
            "descriptor",
            f"{kind} beside local values, as SharpZipLib writes it",
            data,
            {"a": TEXT, "b": TEXT},
            unlike=ALL,
        )
    flagged = {"flags": DESCRIPTOR}
    data = archive(Member(both=flagged), Member("b", both=flagged))
    name = "absent beside local values, as adm-zip and older .NET write it"
    yield accepted("descriptor", name, data, {"a": TEXT, "b": TEXT}, unlike=ALL)
    folder = Member("d/", b"", STORED, mode=stat.S_IFDIR | 0o755, both=flagged)
    data = archive(folder, Member("d/a", descriptor="signed"))
    yield accepted("descriptor", "absent behind a folder, as zip-rs writes it", data, {"d/a": TEXT}, unlike=ALL)
    data = archive(Member(method=STORED, content=b"", both=flagged), Member("b"))
    yield accepted("descriptor", "absent behind nothing", data, {"a": b"", "b": TEXT}, unlike=ALL)


def _of_flags() -> Iterator[Case]:
    for kind in DESCRIPTORS:
        data = archive(
            Member(descriptor=kind, central={"flags": 0}), Member("b", descriptor=kind, central={"flags": 0})
        )
        name = f"descriptor {kind} in the local record only, as older fflate writes it"
        yield accepted("flags", name, data, {"a": TEXT, "b": TEXT}, unlike=ALL)
    data = archive(Member("é", descriptor="signed", central={"flags": UTF8}))
    yield accepted("flags", "descriptor in the local record only, UTF-8", data, {"é": TEXT}, unlike=ALL)
    data = archive(Member(descriptor="signed", central={"flags": 0}, behind={"size": 7}))
    yield refused(
        "flags", "wrong descriptor in the local record only", data, "member a has a data descriptor that is cut"
    )
    data = archive(Member(central={"flags": 0}, descriptor="signed", kept=0))
    yield refused("flags", "no descriptor, in the local record only", data, "member a has no data descriptor")
    for name, member in {
        "descriptor in the directory only": Member(central={"flags": DESCRIPTOR}),
        "descriptor in the local record, which has the sizes": Member(local={"flags": DESCRIPTOR}),
        "UTF-8 in the local record, ASCII": Member(local={"flags": UTF8}),
        "UTF-8 in the directory, ASCII": Member(central={"flags": UTF8}),
    }.items():
        yield accepted("flags", name, archive(member), {"a": TEXT}, unlike=ALL)
    words = "is described in two ways (flags or method)"
    for local, central in ((0, UTF8), (UTF8, 0)):
        member = Member("é", local={"flags": local}, central={"flags": central})
        yield refused("flags", f"UTF-8, {local} in the local record", archive(member), words)
        extra = unicode_path(b"x", b"y")
        member = Member("x", extra=extra, local={"flags": local}, central={"flags": central})
        yield refused("flags", f"UTF-8, 0x7075, {local} in the local record", archive(member), "member x has two names")


def _of_sloppy_writers() -> Iterator[Case]:
    link = stat.S_IFLNK | 0o711
    for system in (FAT, NTFS, NTFS_OF_INFOZIP, VFAT, 6, 7, 99):
        data = archive(Member(system=system, mode=link, central={"attributes": 0xA1C9 << 16 | 0x20}))
        yield accepted(
            "old attributes", f"garbage like a link from {system}", data, {"a": TEXT}, modes={"a": 0o644}, unlike=ALL
        )
        data = archive(Member("d/", b"", STORED, system, central={"attributes": link << 16 | 0x10}), Member("d/a"))
        yield accepted("old attributes", f"a folder of garbage from {system}", data, {"d/a": TEXT}, unlike=ALL)
    for name, attributes in {
        "lower half agrees": (stat.S_IFLNK | 0o644) << 16 | 0x20,
        "lower half agrees, read-only": (stat.S_IFLNK | 0o444) << 16 | 0x21,
        "lower half is empty": (stat.S_IFLNK | 0o777) << 16,
    }.items():
        data = archive(ONE, Member("bad", b"fine", STORED, FAT, central={"attributes": attributes}))
        yield refused("symlink", f"from DOS, {name}", data, "member bad is a symbolic link")
    for system in (3, 2, 19):
        data = archive(ONE, Member("bad", b"fine", STORED, system, central={"attributes": 0xA1C9 << 16 | 0x20}))
        yield refused("symlink", f"whatever the lower half, system {system}", data, "member bad is a symbolic link")
    for name, attributes, mode in [
        ("lower half agrees", (stat.S_IFREG | 0o655) << 16 | 0x20, 0o655),
        ("read-only", (stat.S_IFREG | 0o555) << 16 | 0x21, 0o644),
        ("lower half is empty", (stat.S_IFREG | 0o755) << 16, 0o755),
    ]:
        data = archive(Member(system=FAT, central={"attributes": attributes}))
        yield accepted("old attributes", f"a mode from DOS, {name}", data, {"a": TEXT}, modes={"a": mode})
    data = archive(Member("d", b"", STORED, FAT, central={"attributes": (stat.S_IFDIR | 0o755) << 16 | 0x10}))
    yield accepted("old attributes", "a folder from DOS without a slash", data, {}, folders={"d"}, unlike=ALL)
    data = archive(Member("d/", b"", STORED, mode=stat.S_IFDIR | stat.S_IFREG | 0o755), Member("d/a"))
    yield accepted(
        "old attributes", "a folder that is a file, too, as Plexus wrote it", data, {"d/a": TEXT}, unlike=ALL
    )
    data = archive(ONE, Member("bad/", b"../x", STORED, mode=stat.S_IFLNK | 0o777))
    yield refused("symlink", "with a slash at its end", data, "member bad/ is a folder with content")
    for name in ("d/", "d"):
        folder = Member(name, b"", STORED, mode=stat.S_IFDIR | 0o755, both={"size": 4096})
        data = archive(folder, Member("d/a"))
        yield accepted(
            "folder with a size", f"{name} of 4,096 bytes, of which it holds none", data, {"d/a": TEXT}, unlike=ALL
        )
    for name, both in {"a checksum": {"size": 4096, "crc": 1}, "data": {"size": 4096}}.items():
        folder = Member("d/", b"", DEFLATED if name == "data" else STORED, both=both)
        yield refused("folder with a size", f"and {name}", archive(folder), "member d/ is a folder with content")
    for needed in (64, 99, 255):
        words = f"member a needs version {needed / 10} of the zip format, of which the newest is 6.3"
        yield refused("needed version", str(needed), archive(Member(both={"needed": needed})), words)
    for needed in (0, 10, 63, 0x0314):
        data = archive(Member(both={"needed": needed}))
        yield accepted("needed version", f"{needed} that there is", data, {"a": TEXT}, unlike=ALL)
    data = archive(ONE, Member("bad", both={"flags": PATCH}))
    yield refused("encrypted", "a patch", data, "member bad is a patch (flag bit 5, compressed patched data)")
    slashes = {"test/Hello.txt": "test\\Hello.txt", "a/b\\c": "a\\b/c", "数据/a": "数据\\a"}
    for number, (one, other) in enumerate(slashes.items()):
        for name, local, central in (("local", other, one), ("directory", one, other)):
            raw, own = central.encode("gbk"), local.encode("gbk")
            data = archive(Member(raw, system=FAT, local={"name": own}))
            files = {central.replace("\\", "/"): TEXT}
            yield accepted("IZArc", f"{number}, a backslash in the {name} record", data, files, unlike=ALL)
            data = archive(Member(raw, local={"name": own}))
            yield refused(
                "IZArc", f"{number}, in the {name} record on Unix", data, "has another name in its own record"
            )
    yield refused("IZArc", "another name", archive(Member("a/b", system=FAT, local={"name": b"a\\c"})), "another name")
    yield refused(
        "IZArc", "a longer name", archive(Member("a/b", system=FAT, local={"name": b"a\\\\b"})), "another name"
    )


def _of_honest() -> Iterator[Case]:
    inner = archive(Member("../x"), Member(both={"size": MAX32 - 1}))
    yield accepted("nested", "stored", archive(Member("in.zip", inner, STORED)), {"in.zip": inner})
    yield accepted("nested", "deflated", archive(Member("in.zip", inner)), {"in.zip": inner})
    yield accepted(
        "nested", "with zeros behind", archive(Member("in.zip", inner, STORED), suffix=bytes(99)), {"in.zip": inner}
    )
    bomb = archive(Member("bomb", packed=zeros(40), both={"size": 40 * MIB}))
    yield accepted("nested", "a bomb", archive(Member("in.zip", bomb)), {"in.zip": bomb})
    yield accepted("honest", "empty zip", archive(), {}, unlike={"unzip"})
    yield accepted("honest", "empty zip with a comment", archive(comment=b"nothing"), {}, unlike={"unzip"})
    yield accepted("honest", "empty zip64", archive(zip64=True), {}, unlike=ALL)
    folders = [Member(name, b"", STORED, mode=stat.S_IFDIR | 0o755) for name in ("a/", "b/c/")]
    yield accepted("honest", "only folders", archive(*folders), {}, folders={"a", "b/c"})
    yield accepted("honest", "a deflated folder", archive(Member("a/", b"")), {}, folders={"a"})
    for kind in DESCRIPTORS:
        data = archive(Member(descriptor=kind), Member("b", descriptor=kind))
        yield accepted(
            "honest", f"descriptor {kind}", data, {"a": TEXT, "b": TEXT}, unlike={"bsdtar"} if "64" in kind else ()
        )
        data = archive(Member(method=STORED, descriptor=kind), Member("b", b"", STORED, descriptor=kind))
        yield accepted(
            "honest",
            f"descriptor {kind}, stored",
            data,
            {"a": TEXT, "b": b""},
            unlike={"bsdtar"} if "64" in kind else (),
        )
    data = archive(Member(descriptor="signed", local={"size": 8}))
    yield accepted("honest", "descriptor and a local size, as zip writes it", data, {"a": TEXT})
    members = [Member(name) for name in "abcd"]
    files = dict.fromkeys("abcd", TEXT)
    yield accepted("honest", "odd order of records", archive(*members, order=(2, 0, 3, 1)), files)
    yield accepted("honest", "odd order of the directory", archive(*members, listed=(3, 1, 0, 2)), files)
    gaps = [Member(name, before=name.encode() * 99) for name in "abcd"]
    yield accepted("honest", "gaps", archive(*gaps, gap=b"signature" * 9), files)
    hidden = archive(Member("a", before=Member("hidden").local_bytes()))
    yield accepted("honest", "a record that is not listed", hidden, {"a": TEXT})
    yield accepted("honest", "a comment of a member", archive(Member(central={"comment": b"hello"})), {"a": TEXT})
    for name, both in {
        "0": {"date": 0, "time": 0}, "highest": {"date": MAX16, "time": MAX16}, "month 15": {"date": 15 << 5 | 1},
        "30 February": {"date": 2 << 5 | 30}, "61 s": {"time": 30 | 63 << 5 | 31 << 11},
    }.items():  # fmt: skip
        yield accepted("honest", f"date {name}", archive(Member(both=both)), {"a": TEXT})
    odd_extra = {
        "cut": b"\x55\x54\x09\x00\x01",
        "zeros": bytes(7),
        "one byte": b"x",
        "longest": struct.pack("<2H", 7, 9_000) + bytes(9_000),
    }
    for name, extra in odd_extra.items():
        yield accepted("honest", f"extra {name}", archive(Member(extra=extra)), {"a": TEXT}, unlike=ALL)
    big = random.Random(5).randbytes(MIB // 4) * 2 + bytes(MIB)
    for method in (STORED, DEFLATED, DEFLATE64, BZIP2, LZMA):
        data = archive(Member("d/big", big, method), Member("small", b"1", method))
        yield accepted(
            "honest",
            f"1.5 MiB, method {method}",
            data,
            {"d/big": big, "small": b"1"},
            unlike=UNREAD.get(method, ()),
        )
    for size in (4096, 4097, 2**18 - 1, 2**18, 2**18 + 1, 3 * 2**18):
        data = archive(Member(content=bytes(size)))
        yield accepted("honest", f"{size} zeros", data, {"a": bytes(size)})
    names = ["...", "..a", "a..", "a/.b", "-rf", "~", "$HOME", "CON", "a:b", "*?", "🙂"]
    yield accepted("honest", "odd names", archive(*map(Member, names)), dict.fromkeys(names, TEXT), unlike={"bsdtar"})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("数据/a.csv", "1,2\n" * 1000)
    yield accepted("honest", "of zipfile", stream.getvalue(), {"数据/a.csv": b"1,2\n" * 1000})


def _of_encodings() -> Iterator[Case]:
    for names in (["数据.csv", "plain"], ["Grün/ä.txt"], ["データ"], ["한글"], ["🙂"]):
        data = archive(*[Member(name.encode()) for name in names])
        files = dict.fromkeys(names, TEXT)
        yield accepted("UTF-8 unflagged", names[0], data, files, encoding="utf-8", unlike={"zipfile"})
    data = archive(Member("flagged-é"), Member("数据".encode()))
    yield accepted(
        "UTF-8 unflagged",
        "beside flagged",
        data,
        {"flagged-é": TEXT, "数据": TEXT},
        encoding="utf-8",
        unlike={"zipfile"},
    )
    local = {
        "gb18030": ["测试数据/结果报告.csv", "图片/照片说明.txt"],
        "cp932": ["測定データ.csv", "実験結果/グラフ.png"],
        "cp949": ["실험결과/측정데이터.csv", "보고서.txt"],
        "cp437": ["Übersicht/Größe.txt", "Änderungen.csv"],
    }
    for codec, names in local.items():
        data = archive(*[Member(name.encode(codec)) for name in names], Member("plain"))
        files = dict.fromkeys([*names, "plain"], TEXT)
        yield accepted(
            "local encodings",
            f"{codec} found",
            data,
            files,
            encoding=codec,
            unlike=ALL - {"zipfile"} if codec == "cp437" else ALL,
        )
        asked = ExtractSettings(keep_free=0, encoding=codec)
        yield accepted("local encodings", f"{codec} asked for", data, files, encoding=codec, settings=asked, unlike=ALL)
    raw = ["数据".encode(), "Grün".encode("cp437")]
    files = {one.decode("cp437"): TEXT for one in raw}
    yield accepted(
        "local encodings",
        "decided once for all",
        archive(*map(Member, raw)),
        files,
        encoding="cp437",
        unlike=ALL - {"zipfile"},
    )
    for codec, raw_name in (
        ("gbk", b"\xff\xff"),
        ("ascii", b"\xe9"),
        ("utf-8", b"a\xff"),
        ("utf-7", b"+2AA-"),
        ("idna", b"xn--a"),
    ):
        settings = ExtractSettings(keep_free=0, encoding=codec)
        words = f"is not {codec}: set extract.encoding to what its sender uses"
        yield refused("local encodings", f"not {codec}", archive(ONE, Member(raw_name)), words, settings=settings)
    settings = ExtractSettings(keep_free=0, encoding="utf-16")
    wide = archive(Member("../x".encode("utf-16")))
    yield refused("local encodings", "traversal after decoding", wide, "would leave", settings=settings)
    flagged = ExtractSettings(keep_free=0, encoding="gbk")
    yield accepted(
        "local encodings", "not for flagged names", archive(Member("数据")), {"数据": TEXT}, settings=flagged
    )
    good = unicode_path(b"x.csv", "数据.csv".encode())
    yield accepted("0x7075", "valid", archive(Member("x.csv", extra=good)), {"数据.csv": TEXT}, unlike={"zipfile"})
    for name, extra in {
        "another version": unicode_path(b"x", b"y", version=2), "another checksum": unicode_path(b"x", b"y", crc=1),
        "cut": unicode_path(b"x", b"y")[:-1], "too short": struct.pack("<2HB", 0x7075, 1, 1),
    }.items():  # fmt: skip
        yield accepted("0x7075", name, archive(Member("x", extra=extra)), {"x": TEXT}, unlike=ALL)
    flagged_members = [Member("x", extra=unicode_path(b"x", name), both={"flags": UTF8}) for name in (b"x", b"y")]
    yield accepted("0x7075", "beside the flag", archive(flagged_members[0]), {"x": TEXT})
    yield refused("0x7075", "against the flag", archive(flagged_members[1]), "member x has two names")
    one, other = unicode_path(b"x", b"one"), unicode_path(b"x", b"two")
    yield accepted("0x7075", "twice", archive(Member("x", extra=one * 2)), {"one": TEXT}, unlike={"zipfile"})
    yield refused("0x7075", "two", archive(Member("x", extra=one + other)), "member x has two extra fields of one kind")
    padded = archive(Member("x", extra=bytes(4_000) + one))
    yield accepted("0x7075", "behind padding", padded, {"one": TEXT}, unlike={"zipfile"})
    for hidden, words in {
        b"../x": "would leave",
        b"/x": "would leave",
        b"a\0b": "NUL",
        b"": "without a name",
        b"\xff": "UTF-8",
    }.items():
        yield refused("0x7075", f"hides {hidden!r}", archive(ONE, Member("x", extra=unicode_path(b"x", hidden))), words)


def _of_zstd() -> Iterator[Case]:
    try:
        from backports import zstd
    except ImportError:
        return
    content = b"".join(b"line %d\n" % number for number in range(2000))
    packed = zstd.compress(content)

    def case(row: str, name: str, data: bytes, words: str) -> Case:
        made = archive(Member(content=content, method=ZSTD, packed=data))
        return refused(row, name, made, words, needs_zstd=True, is_early=False)

    good = archive(Member(content=content, method=ZSTD, packed=packed))
    yield accepted("honest", "zstd", good, {"a": content}, unlike=ALL, needs_zstd=True)
    yield case("no end mark", "zstd cut", packed[:-4], "its data ends too early")
    yield case("bytes left", "zstd", packed + b"rest", "other bytes follow")
    yield case("checksum", "zstd damaged", packed[:20] + bytes(20) + packed[40:], "member a ")

    def bomb() -> bytes:
        return archive(Member("bomb", method=ZSTD, packed=zstd.compress(bytes(128 * MIB)), both={"size": 10}))

    def wide() -> bytes:
        packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
        packed = packer.compress(bytes(128 * MIB)) + packer.flush()
        return archive(Member("bomb", method=ZSTD, packed=packed, both={"size": 128 * MIB}))

    late: dict[str, Any] = {"is_early": False, "is_bomb": True, "needs_zstd": True}
    yield refused("declares less", "zstd bomb", bomb, "holds more than the 10 bytes", **late)
    yield refused("LZMA dictionary", "zstd window of 128 MiB", wide, "member bomb is damaged", **late)


def _all() -> Iterator[Case]:
    for part in (
        _of_names, _of_letters, _of_empty_names, _of_several_ends, _of_kinds, _of_conflicts,
        _of_records, _of_sizes, _of_streams, _of_ends, _of_methods, _of_honest,
        _of_descriptors, _of_flags, _of_sloppy_writers,
        _of_encodings, _of_zstd,
    ):  # fmt: skip
        yield from part()


CASES = list(_all())
