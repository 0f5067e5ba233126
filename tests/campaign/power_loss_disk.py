"""What a disk may hold after a power cut: a record of what a program did to files, and the states that may survive.

The model is what ARCHITECTURE.md assumes of a filesystem. Changes of folders (a file made, renamed, removed) are
journaled in their order, by each disk for itself: a prefix of them survives, which holds at least what was flushed.
What was written into a file since that file was flushed may be there or not, in part, or as zeros. Modes and times are
left out.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count, product
from pathlib import Path

from tests.campaign.tracer import Call

#: What may survive of what was written into files since their last flush.
SURVIVORS = ("all", "none", "zeros", "first half", "second half")
_PAGE = 4096
#: Modes, times, and what is done to a file that has been removed.
_OF_NO_ACCOUNT = {
    *("chmod", "fchmod", "fchmodat", "utimensat", "fchown"),
    *("write", "pwrite64", "writev", "ftruncate", "fsync", "fdatasync"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """A name in a folder stands for this node from now on (None: for none); with `source`, it was that one before."""

    disk: int
    folder: int
    name: str
    node: int | None
    source: tuple[int, str] | None = None

    def touches(self) -> set[int | None]:
        return {self.folder, self.node, self.source and self.source[0]}


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that were put into a file; with `data` None, it was given the size `offset`."""

    disk: int
    node: int
    offset: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Flush:
    """A file or folder was flushed; with `node` None, all of the disk."""

    disk: int
    node: int | None
    words: str


Step = Change | Write | Flush
#: What lies on the disks: the bytes of files by absolute path, None for a folder.
Tree = dict[str, bytes | None]


@dataclass(frozen=True, slots=True)
class State:
    """What may be left of a cut right after a step."""

    step: int
    tree: Tree


class Record:
    """What programs do to the files below some roots, each of which is taken for a disk of its own."""

    def __init__(self, *roots: Path) -> None:
        self.steps: list[Step] = []
        self._ids = count()
        self._roots = [str(root) for root in roots]
        self._folders: dict[int, dict[str, int]] = {}
        self._files: dict[int, bytes] = {}
        self._tops = [self._read(root) for root in roots]
        self._now = {node: dict(names) for node, names in self._folders.items()}
        self._sizes = {node: len(data) for node, data in self._files.items()}

    def _read(self, path: Path) -> int:
        node = next(self._ids)
        if path.is_dir():
            self._folders[node] = {}
            for inner in path.iterdir():
                self._folders[node][inner.name] = self._read(inner)
        else:
            self._files[node] = path.read_bytes()
        return node

    # Recording: a callback for the exit of each call.

    def note(self, call: Call) -> None:
        """Take down a call that has ended, if it changed or flushed one of our files."""
        places = [self._place(path) for path in call.paths]
        if call.has_failed or not any(places):
            return
        place = places[-1]
        assert place is not None, f"{call} goes from one disk to another"
        disk, folder, name = place
        node = self._now[folder].get(name) if name else folder
        match call.name:
            case "open" | "openat" | "creat":
                if node is None:
                    self._make(place, is_folder=False)
                elif self._sizes[node] and _truncates(call):
                    self._write(disk, node, 0, None)
            case "mkdir" | "mkdirat":
                self._make(place, is_folder=True)
            case "unlink" | "unlinkat" | "rmdir":
                self._change(Change(disk, folder, name, None))
            case "rename" | "renameat" | "renameat2":
                source = places[0]
                assert source is not None
                self._change(Change(disk, folder, name, self._now[source[1]][source[2]], source[1:]))
            case "syncfs":
                self.steps.append(Flush(disk, None, f"{call.name} {self._words(call.paths[0])}"))
            case "fsync" | "fdatasync" if node is not None:  # else it has no name: the probe's
                self.steps.append(Flush(disk, node, f"{call.name} {self._words(call.paths[0])}"))
            case "write" | "pwrite64" | "writev" if node is not None:  # else it is removed already
                self._write(disk, node, _offset(call), call.written())
            case "ftruncate" if node is not None:
                self._write(disk, node, call.arguments[1], None)
            case _ if call.name not in _OF_NO_ACCOUNT:
                raise NotImplementedError(f"{call.name} {call.paths}")

    def _place(self, path: str) -> tuple[int, int, str] | None:
        """Return the disk, the folder and the name in it that a path means; the name of a root is empty."""
        path = os.path.normpath(path)
        for disk, root in enumerate(self._roots):
            if path == root:
                return disk, self._tops[disk], ""
            if path.startswith(root + "/"):
                *folders, name = path[len(root) + 1 :].split("/")
                node = self._tops[disk]
                for folder in folders:
                    if folder not in self._now[node]:
                        return None
                    node = self._now[node][folder]
                return disk, node, name
        return None

    def _words(self, path: str) -> str:
        root = next(root for root in self._roots if path.startswith(root))
        words = path[len(os.path.dirname(root)) + 1 :]
        return re.sub(r"(handled|original)-[-0-9a-f]{36}", r"\1-BOOT", re.sub(r"\b\d+-\d+\b", "ID-N", words))

    def _make(self, place: tuple[int, int, str], *, is_folder: bool) -> None:
        node = next(self._ids)
        if is_folder:
            self._folders[node], self._now[node] = {}, {}
        else:
            self._files[node], self._sizes[node] = b"", 0
        disk, folder, name = place
        self._change(Change(disk, folder, name, node))

    def _change(self, change: Change) -> None:
        _apply(change, self._now)
        self.steps.append(change)

    def _write(self, disk: int, node: int, offset: int, data: bytes | None) -> None:
        self._sizes[node] = offset if data is None else max(self._sizes[node], offset + len(data))
        self.steps.append(Write(disk, node, offset, data))

    # What may be left.

    def sites(self) -> dict[int, str]:
        """Return in words, for the number of each flush, what is flushed; of a whole disk, before which rename."""
        found, following = {}, "the end"
        for number, step in reversed(list(enumerate(self.steps))):
            if isinstance(step, Flush):
                found[number] = (
                    step.words if step.node is not None else f"{step.words}, before the rename to {following}"
                )
            elif isinstance(step, Change) and step.source:
                following = re.sub(r"^p\d+$", "failed/NAME", step.name)
        return found

    def states(self, *, without: frozenset[int] = frozenset()) -> Iterator[State]:
        """Yield what may be left by a cut after each step, in all variants; `without` these flushes."""
        disks = _Disks(self._folders, self._files, len(self._roots))
        for number, step in enumerate(self.steps):
            if number not in without:
                disks.take(step)
            following = self.steps[number + 1] if number + 1 < len(self.steps) else None
            for prefix in disks.prefixes(every=following is None or isinstance(following, Flush)):
                for survivors in SURVIVORS if disks.has_pending() else SURVIVORS[:1]:
                    tree: Tree = {}
                    folders = disks.folders(prefix)
                    for root, top in zip(self._roots, self._tops, strict=True):
                        disks.lay(tree, root, top, folders, survivors)
                    yield State(number, tree)


@dataclass(slots=True)
class _Disks:
    """Disks in the course of a record: what has been flushed, and what not yet."""

    start: dict[int, dict[str, int]]
    flushed: dict[int, bytes]
    count: int
    changes: list[list[Change]] = field(init=False)
    #: How many changes of each disk are durable.
    durable: list[int] = field(init=False)
    touched: dict[int | None, int] = field(default_factory=dict)
    pending: dict[int, list[Write]] = field(default_factory=lambda: defaultdict(list))
    contents: dict[tuple[int, str], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.flushed = dict(self.flushed)
        self.changes = [[] for _ in range(self.count)]
        self.durable = [0] * self.count

    def take(self, step: Step) -> None:
        match step:
            case Change():
                self.changes[step.disk].append(step)
                self.touched |= dict.fromkeys(step.touches(), len(self.changes[step.disk]))
            case Write():
                self.pending[step.node].append(step)
                self._forget(step.node)
            case Flush(disk, None):
                self.durable[disk] = len(self.changes[disk])
                for node, writes in list(self.pending.items()):
                    if any(write.disk == disk for write in writes):
                        self._flush(node)
            case Flush(disk, node):
                self.durable[disk] = max(self.durable[disk], self.touched.get(node, 0))
                self._flush(node or 0)

    def has_pending(self) -> bool:
        return any(self.pending.values())

    def prefixes(self, *, every: bool) -> set[tuple[int, ...]]:
        """Return how many changes of each disk may have survived: the least, the most, or every number on each."""
        most = tuple(map(len, self.changes))
        if every:
            return set(product(*(range(durable, last + 1) for durable, last in zip(self.durable, most, strict=True))))
        return {most, tuple(self.durable)}

    def folders(self, prefix: tuple[int, ...]) -> dict[int, dict[str, int]]:
        """Return the folders after so many changes of each disk."""
        folders = {node: dict(names) for node, names in self.start.items()}
        for changes, number in zip(self.changes, prefix, strict=True):
            for change in changes[:number]:
                _apply(change, folders)
        return folders

    def lay(self, tree: Tree, path: str, node: int, folders: dict[int, dict[str, int]], survivors: str) -> None:
        """Put a node into the tree, with all below it."""
        if node not in folders:
            tree[path] = self._content(node, survivors)
            return
        tree[path] = None
        for name, inner in folders[node].items():
            self.lay(tree, f"{path}/{name}", inner, folders, survivors)

    def _flush(self, node: int) -> None:
        if self.pending[node]:
            self.flushed[node] = _after(self.flushed[node], self.pending.pop(node))
            self._forget(node)

    def _forget(self, node: int) -> None:
        for survivors in SURVIVORS:
            self.contents.pop((node, survivors), None)

    def _content(self, node: int, survivors: str) -> bytes:
        if (node, survivors) not in self.contents:
            self.contents[node, survivors] = self._survived(node, survivors)
        return self.contents[node, survivors]

    def _survived(self, node: int, survivors: str) -> bytes:
        flushed, pending = self.flushed[node], self.pending[node]
        half = (len(pending) + 1) // 2
        match survivors:
            case "all":
                return _after(flushed, pending)
            case "zeros":
                return flushed.ljust(len(_after(flushed, pending)), b"\0")
            case "first half" if len(pending) == 1 and pending[0].data:
                [write] = pending
                return _after(
                    flushed, [replace(write, data=pending[0].data[: len(pending[0].data) // 2 // _PAGE * _PAGE])]
                )
            case "first half":
                return _after(flushed, pending[:half])
            case "second half":
                return _after(flushed, pending[half:])
        return flushed


def _apply(change: Change, folders: dict[int, dict[str, int]]) -> None:
    if change.source:
        folder, name = change.source
        folders[folder].pop(name)
    if change.node is None:
        folders[change.folder].pop(change.name)
    else:
        folders[change.folder][change.name] = change.node


def _after(content: bytes, writes: list[Write]) -> bytes:
    found = bytearray(content)
    for write in writes:
        end = write.offset + len(write.data or b"")
        if write.data is None:
            del found[write.offset :]
        if len(found) < end:
            found.extend(bytes(end - len(found)))
        if write.data is not None:
            found[write.offset : end] = write.data
    return bytes(found)


def _truncates(call: Call) -> bool:
    return call.name == "creat" or bool(call.arguments[2 if call.name == "openat" else 1] & os.O_TRUNC)


def _offset(call: Call) -> int:
    """Where a write began; the file's position stands behind it by now."""
    if call.name == "pwrite64":
        return call.arguments[3]
    info = Path(f"/proc/{call.thread}/fdinfo/{call.arguments[0]}").read_text("ascii")
    assert call.result is not None
    return int(info.split()[1]) - call.result
