"""A zip made byte by byte: honest in every field that is not overridden."""

import bz2
import lzma
import stat
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import inflate64

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s2B5H3L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")

STORED, DEFLATED, DEFLATE64, BZIP2, LZMA, ZSTD = 0, 8, 9, 12, 14, 93
ENCRYPTED, END_MARK, DESCRIPTOR, PATCH, STRONG, UTF8 = 1, 2, 8, 32, 64, 2048
FAT, UNIX, NTFS, NTFS_OF_INFOZIP, VFAT = 0, 3, 10, 11, 14
MAX16, MAX32 = 0xFFFF, 0xFFFFFFFF
MIB, GIB = 2**20, 2**30
TEXT = b"content\n"
NOON = 12 << 11
DAY = (2001 - 1980) << 9 | 2 << 5 | 3

DESCRIPTORS = {"bare": "<LLL", "signed": "<4sLLL", "bare64": "<LQQ", "signed64": "<4sLQQ"}


def deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def deflated64(content: bytes) -> bytes:
    packer = inflate64.Deflater()
    return bytes(packer.deflate(content) + packer.flush())


def lzma_packed(content: bytes, dictionary: int = MIB) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": 3, "lp": 0, "pb": 2}]
    return lzma_head(dictionary) + lzma.compress(content, lzma.FORMAT_RAW, filters=filters)


def lzma_head(dictionary: int, properties: int = 2 * 45 + 3) -> bytes:
    return struct.pack("<2BHBL", 9, 4, 5, properties, dictionary)


def lzma_without_end_mark(content: bytes) -> bytes:
    """Pack with LZMA as one that knows the size before does: no mark at the end. Literals only; lc=lp=pb=0."""
    low, width, cached, pending = 0, MAX32, 0, 1
    output = bytearray()
    matches, literals = [1024], [1024] * 0x300

    def shift() -> None:
        nonlocal low, cached, pending
        if low < 0xFF000000 or low > MAX32:
            carry = low >> 32
            output.append(cached + carry & 0xFF)
            output.extend([0xFF + carry & 0xFF] * (pending - 1))
            cached, pending = low >> 24 & 0xFF, 0
        pending += 1
        low = low << 8 & MAX32

    def bit(chances: list[int], index: int, value: int) -> None:
        nonlocal low, width
        bound = (width >> 11) * chances[index]
        if value:
            low += bound
            width -= bound
            chances[index] -= chances[index] >> 5
        else:
            width = bound
            chances[index] += 2048 - chances[index] >> 5
        while width < 1 << 24:
            width = width << 8 & MAX32
            shift()

    for byte in content:
        bit(matches, 0, 0)
        node = 1
        for place in range(7, -1, -1):
            value = byte >> place & 1
            bit(literals, node, value)
            node = node << 1 | value
    for _ in range(5):
        shift()
    return lzma_head(4096, properties=0) + bytes(output)


_PACK: dict[int, Callable[[bytes], bytes]] = {
    DEFLATED: deflated,
    DEFLATE64: deflated64,
    BZIP2: bz2.compress,
    LZMA: lzma_packed,
}


@dataclass
class Member:
    """What a member's records say: as they should, but for what `both`, `local`, `central` and `behind` override.

    `behind`: the data descriptor, of which only the first `kept` bytes are written.
    """

    name: str | bytes = "a"
    content: bytes = b"content\n"
    method: int = DEFLATED
    system: int = UNIX
    mode: int = stat.S_IFREG | 0o644
    extra: bytes = b""
    both: Mapping[str, Any] = field(default_factory=dict)
    local: Mapping[str, Any] = field(default_factory=dict)
    central: Mapping[str, Any] = field(default_factory=dict)
    packed: bytes | None = None
    descriptor: str = ""
    behind: Mapping[str, int] = field(default_factory=dict)
    kept: int = 24
    zip64: bool = False
    before: bytes = b""
    is_written: bool = True

    @cached_property
    def data(self) -> bytes:
        return _PACK.get(self.method, bytes)(self.content) if self.packed is None else self.packed

    @property
    def true_values(self) -> dict[str, Any]:
        name = self.name.encode() if isinstance(self.name, str) else self.name
        flags = UTF8 if isinstance(self.name, str) and not self.name.isascii() else 0
        flags |= END_MARK if self.method == LZMA else 0
        flags |= DESCRIPTOR if self.descriptor else 0
        sizes = {"crc": zlib.crc32(self.content), "compressed": len(self.data), "size": len(self.content)}
        return {
            "name": name,
            "flags": flags,
            "method": self.method,
            "time": NOON,
            "date": DAY,
            "extra": self.extra,
        } | sizes

    def local_bytes(self) -> bytes:
        values = self.true_values
        behind = b""
        if self.descriptor:
            numbers = [{**values, **self.behind}[name] for name in ("crc", "compressed", "size")]
            mark = [b"PK\7\x08"] if self.descriptor.startswith("signed") else []
            behind = struct.pack(DESCRIPTORS[self.descriptor], *mark, *numbers)[: self.kept]
            values |= {"crc": 0, "compressed": 0, "size": 0}
        if self.zip64:
            values["extra"] += struct.pack("<2H2Q", 1, 16, values["size"], values["compressed"])
            values |= {"size": MAX32, "compressed": MAX32}
        values |= {"mark": b"PK\3\4", "needed": 20, **self.both, **self.local}
        values = {"name_length": len(values["name"]), "extra_length": len(values["extra"])} | values
        names = "mark needed flags method time date crc compressed size name_length extra_length"
        return b"".join([_packed(LOCAL, names, values), values["name"], values["extra"], self.data, behind])

    def central_bytes(self, offset: int) -> bytes:
        values = self.true_values | {"offset": offset}
        if self.zip64:
            values["extra"] += struct.pack("<2H3Q", 1, 24, values["size"], values["compressed"], offset)
            values |= {"size": MAX32, "compressed": MAX32, "offset": MAX32}
        values |= {"mark": b"PK\1\2", "version": 30, "system": self.system, "needed": 20, "comment": b"", "disk": 0}
        values |= {"internal": 0, "attributes": self.mode << 16, **self.both, **self.central}
        for part in ("name", "extra", "comment"):
            values.setdefault(f"{part}_length", len(values[part]))
        names = (
            "mark version system needed flags method time date crc compressed size name_length extra_length "
            "comment_length disk internal attributes offset"
        )
        return b"".join([_packed(CENTRAL, names, values), values["name"], values["extra"], values["comment"]])


def _packed(form: struct.Struct, names: str, values: Mapping[str, Any]) -> bytes:
    return form.pack(*[values[name] for name in names.split()])


def archive(
    *members: Member,
    prefix: bytes = b"",
    shifted: bool = True,
    order: tuple[int, ...] | None = None,
    listed: tuple[int, ...] | None = None,
    gap: bytes = b"",
    directory: Callable[[bytes], bytes] = bytes,
    between: bytes = b"",
    end: Mapping[str, Any] | None = None,
    zip64: bool = False,
    end64: Mapping[str, Any] | None = None,
    locator: Mapping[str, Any] | None = None,
    comment: bytes = b"",
    suffix: bytes = b"",
) -> bytes:
    """Return a zip of these members, honest in all that is not overridden.

    `order` is that of the local records, `listed` that of the directory. `shifted`: the offsets count the prefix.
    """
    body = bytearray(prefix)
    base = 0 if shifted else len(prefix)
    offsets = [0] * len(members)
    for index in order or range(len(members)):
        if members[index].is_written:
            body += members[index].before
            offsets[index] = len(body) - base
            body += members[index].local_bytes()
    body += gap
    each = [member.central_bytes(offset) for member, offset in zip(members, offsets, strict=True)]
    records = [each[index] for index in listed or range(len(members))]
    central = directory(b"".join(records))
    place = {"count": len(records), "disk_count": len(records), "length": len(central), "offset": len(body) - base}
    place |= {"disk": 0, "directory_disk": 0}
    body += central
    if zip64:
        values = {"mark": b"PK\6\6", "record_size": 44, "made": 45, "needed": 45, **place, **(end64 or {})}
        names = "mark record_size made needed disk directory_disk disk_count count length offset"
        at = len(body) - base
        body += _packed(END64, names, values)
        body += _packed(
            LOCATOR, "mark disk at disks", {"mark": b"PK\6\7", "disk": 0, "at": at, "disks": 1, **(locator or {})}
        )
        place |= {"count": MAX16, "disk_count": MAX16, "length": MAX32, "offset": MAX32}
    body += between
    values = {"mark": b"PK\5\6", **place, "comment_length": len(comment), **(end or {})}
    body += _packed(END, "mark disk directory_disk disk_count count length offset comment_length", values)
    return bytes(body + comment + suffix)


def unicode_path(raw: bytes, name: bytes, version: int = 1, crc: int | None = None) -> bytes:
    checksum = zlib.crc32(raw) if crc is None else crc
    return struct.pack("<2HBL", 0x7075, 5 + len(name), version, checksum) + name


def quoted(*, by_extra: bool) -> bytes:
    """Two of Fifield's forms: the second member's record lies in the first one's, and both share its content."""
    second = Member("b", TEXT)
    inner = second.local_bytes()
    quote = struct.pack("<2H", 0x9999, len(inner) - len(second.data))
    if by_extra:
        first = Member("a", TEXT, packed=second.data, local={"extra": quote + inner[: -len(second.data)]})
        at = LOCAL.size + 1 + len(quote)
    else:
        head = inner[: -len(second.data)]
        block = b"\0" + struct.pack("<2H", len(head), len(head) ^ MAX16)
        first = Member("a", head + TEXT, packed=block + inner)
        at = LOCAL.size + 1 + len(block)
    return archive(first, Member("b", TEXT, is_written=False, central={"offset": at}))
