"""Compares what a sender delivered once more with what it delivered before."""

import os
import stat
from collections.abc import Iterator
from itertools import islice

from jobrunner.domain.explanation import Comparison
from jobrunner.files import receipts
from jobrunner.files.trees import Kind, Walk
from jobrunner.linux import at

_PIECE = 1 << 20
#: So many paths of each kind are named, and so many entries of a delivery are looked at.
_MOST_NAMED = 20
_MOST_ENTRIES = 200_000


def compare(inbox: str, name: str, archived: str, zip_name: str) -> Comparison:
    """Compare a delivery in the inbox with what its sender had delivered of what lies in the archive.

    Without a receipt there, that is the zip of this name. Raises OSError.
    """
    receipt = receipts.read(archived)
    before = {path for path in receipt.sender_files if not path.endswith("/")} if receipt else {zip_name}
    same, different, only_second = 0, [], []
    with (
        at.held(at.open_root(inbox)) as root,
        at.held(at.open_folder(root, name)) as delivery,
        at.held(at.open_ours(archived)) as first,
    ):
        for path, file in _files(delivery):
            if path not in before:
                only_second.append(path)
            elif _are_same(file, first, path):
                same += 1
            else:
                different.append(path)
            before.discard(path)
    only_first = sorted(before)
    is_all = max(map(len, (different, only_second, only_first))) <= _MOST_NAMED
    some = (different[:_MOST_NAMED], only_second[:_MOST_NAMED], only_first[:_MOST_NAMED])
    return Comparison(same, *some, is_all)


def _files(folder: int) -> Iterator[tuple[str, int]]:
    """Yield the path of each file below an open folder, and the file, open."""
    walk = Walk(folder, most=_MOST_ENTRIES)
    for kind, here, name in islice(walk, 2 * _MOST_ENTRIES):
        if kind is Kind.FILE:
            with at.held(at.open_file(here, name)) as file:
                yield walk.path(name), file


def _are_same(file: int, folder: int, path: str) -> bool:
    """Say whether an open file has the content of the one at a path below an open folder."""
    try:
        other = at.open_file(folder, path)
    except OSError:
        return False
    with at.held(other):
        one, two = os.fstat(file), os.fstat(other)
        if one.st_size != two.st_size or not stat.S_ISREG(two.st_mode) or not stat.S_ISREG(one.st_mode):
            return False
        offset = 0
        while piece := os.pread(file, _PIECE, offset):
            if os.pread(other, len(piece), offset) != piece:
                return False
            offset += len(piece)
    return True
