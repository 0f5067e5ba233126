"""What a sender can put where a file or a folder is expected."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from tests.hostile.people import SENDER
from tests.hostile.support import HostileHome
from tests.users import ROOT

Put = Callable[[HostileHome, Path], object]


def _device(home: HostileHome, path: Path) -> None:
    """No sender can make one; the root of its container can."""
    os.seteuid(ROOT.uid)
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
    os.chown(path, SENDER.uid, SENDER.uid)
    os.seteuid(SENDER.uid)


def _socket(home: HostileHome, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))


STRANGE: dict[str, Put] = {
    "link-to-private": lambda home, path: path.symlink_to(home.private),
    "link-to-the-secret": lambda home, path: path.symlink_to(home.private / "secret"),
    "link-to-all": lambda home, path: path.symlink_to(home.path.parent),  # not "/": a test that fails would fill that
    "link-to-itself": lambda home, path: path.symlink_to(path.name),
    "link-to-nothing": lambda home, path: path.symlink_to(home.path / "made-by-a-sender"),
    "fifo": lambda home, path: os.mkfifo(path),
    "socket": _socket,
    "device": _device,
}
FILE: dict[str, Put] = {"file": lambda home, path: path.write_bytes(b"a file")}
FOLDER: dict[str, Put] = {"folder": lambda home, path: path.mkdir()}
