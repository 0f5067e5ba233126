"""Several real users for one test: root can be each of them. None is in /etc/passwd; the kernel asks for no more."""

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests import warm
from tests.support import TestHome

_UMASK = 0o002


@dataclass(frozen=True)
class User:
    """A user with a group of the same number, and in others."""

    uid: int
    groups: tuple[int, ...] = ()

    @contextmanager
    def acting(self, umask: int = _UMASK) -> Iterator[None]:
        """Let this process have the rights of this user, and no others, until the block ends."""
        groups, mask = os.getgroups(), os.umask(umask)
        os.setgroups(self.groups)
        os.setegid(self.uid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)
            os.umask(mask)

    def become(self) -> None:
        """Become this user for good."""
        os.setgroups(self.groups)
        os.setresgid(self.uid, self.uid, self.uid)
        os.setresuid(self.uid, self.uid, self.uid)
        os.umask(_UMASK)

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

    @property
    def words(self) -> list[str]:
        """What stands before a command that this user starts."""
        groups = f"--groups={','.join(map(str, self.groups))}" if self.groups else "--clear-groups"
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", groups, "--"]


ROOT = User(0)
NOBODY = User(65534)


def without_privileges() -> AbstractContextManager[None]:
    """Root may do everything: what is not permitted shows only as another user."""
    return NOBODY.acting() if os.geteuid() == 0 else nullcontext()


class UsersHome(TestHome):
    """A home whose command line is run as one of several users."""

    def __init__(self, path: Path, user: User, python: list[str]) -> None:
        """`python`: the words that start an interpreter which each of these users can run."""
        super().__init__(path)
        self.user = user
        self.python = python

    @property
    def identity(self) -> warm.Identity:
        return self.user.uid, self.user.groups

    @property
    def program(self) -> list[str]:
        return [*self.before, *self.user.words, *self.python, "-m", "jobrunner"]

    def by(self, user: User) -> Self:
        """Return the same home, whose command line is run as another user."""
        other = copy.copy(self)
        other.user = user
        return other
