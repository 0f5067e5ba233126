"""Who takes part in an attack, as real users of the machine; and attackers, which are processes of theirs."""

import ctypes
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

from tests.users import User

#: The group that sender and service share, so that one may deliver what the other takes.
EXCHANGE = 23010

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_PR_SET_PDEATHSIG = 1
_AHEAD = 60
_libc = ctypes.CDLL(None, use_errno=True)
_renameat2 = _libc.renameat2
_renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)


SERVICE = User(23001, (EXCHANGE,))
SENDER = User(23002, (EXCHANGE,))
READER = User(23003)

Step = Callable[[], object]


@contextmanager
def attack(attacker: User, *steps: Step) -> Iterator[int]:
    """Have a process of the attacker's, its pid, repeat these steps until the block ends; errors are passed over."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _repeat(attacker, steps, parent)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _repeat(attacker: User, steps: Iterable[Step], parent: int) -> NoReturn:
    try:
        attacker.become()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after setuid, which forgets it
        while os.getppid() == parent:
            for step in steps:
                try:
                    step()
                except OSError:
                    continue
    finally:
        os._exit(1)


class Name(NamedTuple):
    """A name in a folder that is held open, or a path."""

    name: str | Path
    folder: int = _AT_FDCWD


Pair = tuple[Name, Name]


def swap(pairs: Iterable[Pair]) -> Step:
    """Return a step of an attack: each two names change places in one instant, if both are there (RENAME_EXCHANGE)."""
    calls = _calls(pairs)

    def step() -> None:
        for call in calls:
            _renameat2(*call)

    return step


def deliver_and_swap(packages: Mapping[Path, Iterable[Pair]], inbox: Path, ends: Iterable[Path]) -> Step:
    """Return a step of an attack: packages come to the inbox as others are taken, so that there are always some.

    To each of them belong pairs of names. Of every second package they change places all the time when it is about to
    be taken; of the others, when it is about to come to one of its `ends`.
    """
    names, calls = [package.name for package in packages], [_calls(pairs) for pairs in packages.values()]
    paths = list(packages)
    delivered = taken = ended = 0

    def step() -> None:
        nonlocal delivered, taken, ended
        while taken < delivered and not os.path.lexists(inbox / names[taken]):
            taken += 1
        for number in range(ended, min(ended + 12, taken)):  # one that has to be tried again does not come in its turn
            if any(os.path.lexists(end / names[number]) for end in ends):
                ended = number + 1
        while delivered < min(taken + _AHEAD, len(paths)):
            paths[delivered].rename(inbox / names[delivered])
            delivered += 1
        near = range(max(taken - 4, 0), min(taken + 4, delivered)), range(ended, min(ended + 4, delivered))
        chosen = [number for half, numbers in enumerate(near) for number in numbers if number % 2 == half]
        for call in [call for number in chosen for call in calls[number]] * 10:
            _renameat2(*call)

    return step


def _calls(pairs: Iterable[Pair]) -> list[tuple[int, bytes, int, bytes, int]]:
    return [
        (one.folder, os.fsencode(one.name), other.folder, os.fsencode(other.name), _RENAME_EXCHANGE)
        for one, other in pairs
    ]
