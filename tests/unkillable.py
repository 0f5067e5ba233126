"""Processes that do not end though they are killed: a program that has become root, and a reader of a dead disk."""

import ctypes
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from jobrunner.wiring.home import Home
from tests.scripts import parent_of
from tests.support import PATIENCE, wait_until
from tests.users import User, UsersHome

USER = User(12345)

#: Becomes root and ignores SIGTERM, until FILE is there: `root FILE`.
SOURCE = r"""
#include <signal.h>
#include <unistd.h>
int main(int count, char **words) {
    signal(SIGTERM, SIG_IGN);
    if (count != 2 || setuid(0)) return 99;
    while (access(words[1], F_OK)) usleep(10000);
    return 0;
}
"""


class HeldUpHome(UsersHome):
    """The home of an ordinary user, whose jobrunner is started as that user; `root` is the program above."""

    is_warm = False  # it has a capability that only a program's start can give it

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "home", USER, [sys.executable])
        self.root = folder / "root"
        (folder / "root.c").write_text(SOURCE)
        subprocess.run(["cc", "-o", self.root, folder / "root.c"], check=True)
        self.root.chmod(0o4755)
        USER.owns(self.path)

    @property
    def program(self) -> list[str]:
        # the interpreter may lie in a folder of root's: the user may read everything, and no more than that
        may_read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        setpriv, *words = super().program
        return [setpriv, *may_read, *words]

    def status(self) -> dict[str, Any]:
        return self.asked("status", "--json")

    def show(self, name: str) -> dict[str, Any]:
        return self.asked("show", "--json", name)

    def start(self, *words: str, group: Path | None = None, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the background, in a control group."""
        if group:
            options["preexec_fn"] = lambda: (group / "cgroup.procs").write_text("0")
        return super().start(*words, stderr=(self.path.parent / "said").open("a"), **options)

    def open(self) -> Home:
        """The services of this home, in this process, opened as the user."""
        with USER.acting():
            return super().open()

    def said(self) -> str:
        """What was printed by all that was started."""
        return (self.path.parent / "said").read_text()


@contextmanager
def held_up_home() -> Iterator[HeldUpHome]:
    """Make a home of an ordinary user, beside a program that becomes root; skip the test where that is impossible."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a program that becomes root, and start jobrunner as somebody else")
    missing = [program for program in ("cc", "setpriv") if not shutil.which(program)]
    if missing:
        pytest.skip(f"there is no {' and no '.join(missing)}: no program that becomes root can be made and started")
    folder = Path(tempfile.mkdtemp())
    try:
        if os.statvfs(folder).f_flag & os.ST_NOSUID:
            pytest.skip(f"{folder} is mounted nosuid: no program in it becomes root")
        folder.chmod(0o755)
        home = HeldUpHome(folder)
        try:
            yield home
        finally:
            (home.path / "end").touch()
            home.end_all()
    finally:
        shutil.rmtree(folder)


#: A handler that starts it, without an environment, and ends well as soon as that has become root.
HANDLER = """
end="$JOBRUNNER_HOME/end"
[ -e "$end" ] && exit 0
env -i "$JOBRUNNER_HOME/../root" "$end" &
until grep -q "^Uid:.0" /proc/$!/status; do :; done
echo $! > "$JOBRUNNER_HOME/pid.new"
mv "$JOBRUNNER_HOME/pid.new" "$JOBRUNNER_HOME/pid"
"""


class HeldUp(NamedTuple):
    """A package p that waits for a process of root's, with its guard and worker."""

    home: HeldUpHome
    pid: int
    worker: int
    guard: int

    def troubles(self) -> str:
        return "".join(self.home.status()["troubles"])

    def end(self) -> None:
        (self.home.path / "end").touch()


def held_up(home: HeldUpHome) -> HeldUp:
    """Start jobrunner with a package that is held up."""
    (home.path / "handler.sh").write_text(HANDLER)
    home.configure('[process]\ncommand = ["/bin/sh", "handler.sh"]\n[retry]\nbackoff = "1s"\n')
    home.package("p")
    USER.owns(home.path)
    home.start("run", "-n", "1")
    file = home.path / "pid"
    wait_until(file.exists)
    pid = int(file.read_text())
    wait_until(lambda: f"process {pid} of the handler of p belongs to root" in home.said())
    guard = parent_of(pid)
    return HeldUp(home, pid, parent_of(guard), guard)


#: Of the pid of whoever asks, in a request (struct fuse_in_header).
_PID_OFFSET = 32


class DeadDisk:
    """A filesystem that answers nothing: whoever reads in it waits, and cannot be killed, until it is taken away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        self._libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other"
        if self._libc.mount(b"dead", os.fsencode(folder), b"fuse", 0, options.encode()):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        request = os.read(self._device, 1 << 17)
        _, _, unique = struct.unpack_from("<IIQ", request)
        answer = struct.pack("<IIIIHHIIHHI28x", 7, 31, 4096, 0, 1, 1, 4096, 1, 1, 0, 0)
        os.write(self._device, struct.pack("<IiQ", 16 + len(answer), 0, unique) + answer)
        self._reader = threading.Thread(target=self._take_requests, daemon=True)
        self._reader.start()

    def _take_requests(self) -> None:
        with suppress(OSError):
            while True:
                request = os.read(self._device, 1 << 17)  # taken, it is neither answered by others nor called back
                self.mark_of(struct.unpack_from("<I", request, _PID_OFFSET)[0]).touch()

    def mark_of(self, pid: int) -> Path:
        """Return the file that is there once a process waits for the disk, and cannot be killed any more."""
        return Path(f"{self.folder}-{pid}")

    def take_away(self) -> None:
        """Let all go on that wait for it, with an error; once is enough."""
        if not self._reader.is_alive():
            return
        self._libc.umount2(os.fsencode(self.folder), 3)  # MNT_FORCE, MNT_DETACH
        self._reader.join(PATIENCE)
        os.close(self._device)


@contextmanager
def dead_disk(folder: Path) -> Iterator[DeadDisk]:
    """Mount one; skip the test where that is impossible."""
    folder.mkdir()
    try:
        disk = DeadDisk(folder)
    except OSError as error:
        pytest.skip(f"no filesystem can be mounted that answers nothing (FUSE, as root): {error}")
    try:
        yield disk
    finally:
        disk.take_away()
