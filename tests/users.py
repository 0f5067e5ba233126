"""Several real users for one test: root can be each of them. None is in /etc/passwd; the kernel asks for no more."""

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class User:
    """A user with a group of the same number, and in others."""

    uid: int
    groups: tuple[int, ...] = ()

    def become(self) -> None:
        """Be this user from here on, with no right of root's: for the `preexec_fn` of a subprocess."""
        _open_up([Path(sys.base_prefix), Path(sys.prefix), _ROOT])
        os.setgroups(self.groups)
        os.setresgid(self.uid, self.uid, self.uid)
        os.setresuid(self.uid, self.uid, self.uid)

    def run(self, action: Callable[[], object]) -> int:
        """Run something as this user in a process of its own and return its exit status: 0, or an error's number."""
        pid = os.fork()
        if pid == 0:
            code = 255
            try:
                self.become()
                action()
                code = 0
            except OSError as error:
                code = error.errno or 255
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def owns(self, path: Path, mode: int | None = None, group: int | None = None) -> Path:
        """Give a file or folder, with all in it, to this user, and itself a mode; return it."""
        for each in [path, *path.rglob("*")]:
            os.chown(each, self.uid, self.uid if group is None else group, follow_symlinks=False)
        if mode is not None:
            path.chmod(mode)
        return path


def _open_up(needed: list[Path]) -> None:
    """In a mount namespace of this process's own, have everybody come to these folders: they may lie below /root."""
    closed = {
        next((above for above in reversed(path.parents) if not above.stat().st_mode & 1), None) for path in needed
    }
    if closed == {None}:
        return
    assert _libc.unshare(_CLONE_NEWNS) == 0
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    handles = {path: os.open(path, os.O_PATH) for path in needed}
    for above in closed - {None}:
        _mount("none", str(above), "tmpfs", 0, "mode=755")
    before = os.umask(0o022)
    for path, handle in handles.items():
        if any(path.is_relative_to(above) for above in closed if above):
            path.mkdir(parents=True, exist_ok=True)
            _mount(f"/proc/self/fd/{handle}", str(path), None, _MS_BIND | _MS_REC)
        os.close(handle)
    os.umask(before)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [word.encode() if word else None for word in (source, target, kind)]
    if _libc.mount(*words, flags, data.encode() if data else None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


@contextmanager
def public_ground() -> Iterator[Path]:
    """Make a folder that every user can traverse, as root; where nobody can be several users, the test is skipped."""
    if os.geteuid() != 0:
        pytest.skip("only root can be several users: run this as root")
    ground = Path(tempfile.mkdtemp(prefix="jobrunner-users-"))
    try:
        ground.chmod(0o755)
        yield ground
    finally:
        shutil.rmtree(ground)
