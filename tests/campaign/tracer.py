"""A small tracer on ptrace(2): stops a whole tree of processes at its system calls that change something.

A seccomp filter in the tree lets every other call run at full speed. Nothing needs to be installed, and no other
rights than those over a child of one's own. Calls that io_uring makes are not seen.
"""

import ctypes
import os
import platform
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import NoReturn

_SEIZE, _CONT, _SYSCALL, _LISTEN, _GETEVENTMSG, _GET_SYSCALL_INFO = 0x4206, 7, 24, 0x4208, 0x4201, 0x420E
_EVENT_FORK, _EVENT_VFORK, _EVENT_CLONE, _EVENT_EXEC, _EVENT_SECCOMP, _EVENT_STOP = 1, 2, 3, 4, 7, 128
_SYSCALL_STOP = signal.SIGTRAP | 0x80
_EXITKILL = 1 << 20
_OPTIONS = (
    _EXITKILL
    | 1  # TRACESYSGOOD
    | sum(1 << event for event in (_EVENT_FORK, _EVENT_VFORK, _EVENT_CLONE, _EVENT_EXEC, _EVENT_SECCOMP))
)
_INFO_VALUES = 24  # offset of the union in struct ptrace_syscall_info
_INFO_BYTES = 88
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_BPF_LOAD, _BPF_IF_EQUAL, _BPF_IF_ANY_BIT, _BPF_RETURN = 0x20, 0x15, 0x45, 0x06
_SECCOMP_TRACE, _SECCOMP_ALLOW = 0x7FF00000, 0x7FFF0000
_ANY_OF_THIS_THREAD = 0x40000000 | 0x20000000  # __WALL, __WNOTHREAD
_AT_FDCWD = -100
_CREATES = os.O_CREAT | os.O_TRUNC

_X86_64 = {
    "write": 1, "open": 2, "pwrite64": 18, "writev": 20, "sendfile": 40, "clone": 56, "fork": 57, "vfork": 58,
    "execve": 59, "kill": 62, "fsync": 74, "fdatasync": 75, "truncate": 76, "ftruncate": 77, "rename": 82, "mkdir": 83,
    "rmdir": 84, "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "fchmod": 91, "chown": 92,
    "fchown": 93, "lchown": 94, "mknod": 133, "sync": 162, "openat": 257, "mkdirat": 258, "mknodat": 259,
    "fchownat": 260, "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266, "fchmodat": 268, "splice": 275,
    "sync_file_range": 277, "utimensat": 280, "fallocate": 285, "pwritev": 296, "syncfs": 306, "renameat2": 316,
    "copy_file_range": 326, "pwritev2": 328, "pidfd_send_signal": 424, "clone3": 435, "openat2": 437,
}  # fmt: skip
_AARCH64 = {
    "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "truncate": 45,
    "ftruncate": 46, "fallocate": 47, "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55, "openat": 56,
    "write": 64, "writev": 66, "pwrite64": 68, "pwritev": 70, "sendfile": 71, "splice": 76, "sync": 81, "fsync": 82,
    "fdatasync": 83, "sync_file_range": 84, "utimensat": 88, "kill": 129, "clone": 220, "execve": 221, "syncfs": 267,
    "renameat2": 276, "copy_file_range": 285, "pwritev2": 287, "pidfd_send_signal": 424, "clone3": 435, "openat2": 437,
}  # fmt: skip
_AUDIT_ARCH, _NUMBERS = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}[platform.machine()]
_NAMES = {number: name for name, number in _NUMBERS.items()}

#: Every system call that makes, changes or flushes files; by openat2, files are only opened for reading (linux/at.py).
FILE_CALLS = frozenset(_X86_64) - {"openat2", "clone", "fork", "vfork", "clone3", "execve", "kill", "pidfd_send_signal"}
#: Those that make processes, their programs and their ends.
PROCESS_CALLS = frozenset(_X86_64) - FILE_CALLS

#: Where a call's paths are: the number of the argument with the folder's descriptor (None: the current folder), and of
#: the one with the path.
_PATHS: dict[str, tuple[tuple[int | None, int], ...]] = {
    **dict.fromkeys(("rename", "link"), ((None, 0), (None, 1))),
    **dict.fromkeys(("renameat", "renameat2", "linkat"), ((0, 1), (2, 3))),
    "symlink": ((None, 1),),
    "symlinkat": ((1, 2),),
    **dict.fromkeys(
        ("open", "creat", "truncate", "mkdir", "rmdir", "unlink", "chmod", "chown", "lchown", "mknod", "execve"),
        ((None, 0),),
    ),
    **dict.fromkeys(
        ("openat", "openat2", "mkdirat", "mknodat", "fchownat", "unlinkat", "fchmodat", "utimensat"), ((0, 1),)
    ),
}
#: The argument with the descriptor of the file that is changed or flushed.
_DESCRIPTOR = {
    **dict.fromkeys(("write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile"), 0),
    **dict.fromkeys(("fsync", "fdatasync", "syncfs", "ftruncate", "fallocate", "sync_file_range", "fchmod"), 0),
    "fchown": 0,
    **dict.fromkeys(("copy_file_range", "splice"), 2),
}
#: The argument with the flags of an open.
OPEN_FLAGS = {"open": 1, "openat": 2}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


class Verdict(Enum):
    """What a callback may ask for. At the entry of a call, a kill comes before the call: it does not take place."""

    KILL_PROCESS = auto()
    KILL_TREE = auto()


@dataclass(eq=False, slots=True)
class Process:
    """A process of the tree. `number`: it is its parent's 1st, 2nd, … child; the root is 1."""

    pid: int
    parent: "Process | None"
    number: int = 1
    children: int = 0

    @property
    def depth(self) -> int:
        """How far below the root it is."""
        return 0 if self.parent is None else self.parent.depth + 1


@dataclass(slots=True)
class Call:
    """A system call at its entry, later at its exit.

    `paths` are absolute: what the call names, or the file that its descriptor stands for ("pipe:[7]" for what has no
    path). `arguments` are as the kernel sees them, unsigned. `result` is None until the exit, and negative for an error
    (-errno).
    """

    process: Process
    thread: int
    name: str
    arguments: tuple[int, ...]
    paths: tuple[str, ...] = ()
    result: int | None = None

    @property
    def pid(self) -> int:
        """The process that makes the call."""
        return self.process.pid

    @property
    def has_failed(self) -> bool:
        """Whether it ended, with an error."""
        return self.result is not None and self.result < 0

    def memory(self, address: int, size: int) -> bytes:
        """Return up to `size` bytes of the process's memory. Raises OSError."""
        descriptor = os.open(f"/proc/{self.thread}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, size, address)
        finally:
            os.close(descriptor)

    def text(self, argument: int) -> str:
        """Return the C string that an argument points to."""
        found, address = b"", self.arguments[argument]
        while b"\0" not in found:
            piece = self.memory(address + len(found), 256)
            if not piece:
                raise ProcessLookupError(self.thread)
            found += piece
        return os.fsdecode(found.partition(b"\0")[0])

    def written(self) -> bytes:
        """Return the bytes of a write, pwrite64, writev, pwritev or pwritev2: all at its entry, at its exit those that
        the kernel took.
        """
        if self.name in {"write", "pwrite64"}:
            data = self.memory(self.arguments[1], self.arguments[2])
        else:
            vector = self.memory(self.arguments[1], 16 * self.arguments[2])
            data = b"".join(self.memory(base, size) for base, size in struct.iter_unpack("QQ", vector))
        return data if self.result is None else data[: max(self.result, 0)]


Callback = Callable[[Call], Verdict | None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a traced tree ended: the root's exit code (negative for a signal), and how many seconds the last of its
    processes outlived the first kill that a callback asked for (None without one).
    """

    code: int
    outlived: float | None


def trace(
    command: Sequence[str] | Callable[[], object],
    *,
    calls: frozenset[str] = FILE_CALLS,
    on_entry: Callback | None = None,
    on_exit: Callback | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    output: int | None = None,
    timeout: float = 60,
) -> Ended:
    """Run a program, or a function in a fork of this process, to the end of the last process that it started.

    The callbacks get each call of `calls`, from whichever process of the tree; opens only where they may create or
    truncate a file. `output` is a descriptor for stdout and stderr, by default /dev/null. Raises TimeoutError after
    `timeout` seconds; then, and where a callback raises, everything is killed.

    All of it happens in a thread of its own: a tree is waited for by the thread that traces it, and what else this
    process has as children is not of the tree.
    """

    def follow() -> Ended:
        return _start(command, calls, on_entry, on_exit, env, cwd, output).run(timeout)

    with ThreadPoolExecutor(1) as tracer:
        return tracer.submit(follow).result()


def _start(
    command: Sequence[str] | Callable[[], object],
    calls: frozenset[str],
    on_entry: Callback | None,
    on_exit: Callback | None,
    env: Mapping[str, str] | None,
    cwd: str | Path | None,
    output: int | None,
) -> "_Tree":
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(theirs)
        _become(command, ours, _filter(calls), env, cwd, output)
    os.close(ours)
    tree = _Tree(pid, on_entry, on_exit)
    try:
        _ptrace(_SEIZE, pid, _OPTIONS)
        os.write(theirs, b"!")
    except BaseException:
        tree.kill()
        raise
    finally:
        os.close(theirs)
    return tree


@dataclass(slots=True)
class _Tree:
    """The threads that live, the processes that they belong to, and the calls that they are in."""

    root: int
    on_entry: Callback | None
    on_exit: Callback | None
    threads: dict[int, Process] = field(default_factory=dict)
    within: dict[int, Call] = field(default_factory=dict)
    killed_at: float | None = None
    is_ending: bool = False
    is_late: bool = False

    def __post_init__(self) -> None:
        self.threads[self.root] = Process(self.root, None)

    def kill(self) -> None:
        """Kill all that is known; who was born just now is killed at its first stop."""
        self.is_ending = True
        for pid in {process.pid for process in list(self.threads.values())}:
            _kill(pid)

    def run(self, timeout: float) -> Ended:
        watch = threading.Timer(timeout, self._give_up)
        watch.start()
        try:
            ended = self._run()
        except BaseException:
            self.kill()
            self._run()
            raise
        finally:
            watch.cancel()
            watch.join()
        if self.is_late:
            raise TimeoutError(f"the traced program had not ended after {timeout:g} s")
        return ended

    def _give_up(self) -> None:
        self.is_late = True
        self.kill()

    def _run(self) -> Ended:
        code = 0
        while True:
            try:
                thread, status = os.waitpid(-1, _ANY_OF_THIS_THREAD)
            except ChildProcessError:
                return Ended(code, None if self.killed_at is None else time.monotonic() - self.killed_at)
            if os.WIFSTOPPED(status):
                with suppress(ProcessLookupError):  # it has just been killed
                    self._stopped(thread, os.WSTOPSIG(status), status >> 16)
                continue
            if thread == self.root:
                code = os.waitstatus_to_exitcode(status)
            self.threads.pop(thread, None)
            self.within.pop(thread, None)

    def _stopped(self, thread: int, number: int, event: int) -> None:
        if self.is_ending:
            _kill(thread)
        elif event in {_EVENT_FORK, _EVENT_VFORK, _EVENT_CLONE}:
            self._born(_message(thread), self.threads[thread])
            self._go_on(thread)
        elif event == _EVENT_SECCOMP:
            self._enter(thread)
        elif event == _EVENT_STOP and number != signal.SIGTRAP:  # a group stop, until its SIGCONT
            _ptrace(_LISTEN, thread)
        elif event == _EVENT_EXEC:
            self._executed(thread, _message(thread))
        elif event:
            self._born(thread, None)
            self._go_on(thread)
        elif number == _SYSCALL_STOP:
            self._leave(thread)
        else:
            self._go_on(thread, number)

    def _born(self, thread: int, parent: Process | None) -> None:
        """A new thread is told of by its parent and stops by itself, in either order; a parent may be killed before."""
        if thread in self.threads:
            return
        leader, above = _leader_and_parent(thread)
        if leader != thread and leader in self.threads:
            self.threads[thread] = self.threads[leader]
            return
        parent = parent or self.threads.get(above) or Process(above, None)
        parent.children += 1
        self.threads[thread] = Process(thread, parent, parent.children)

    def _executed(self, thread: int, former: int) -> None:
        """A thread that starts a program gets the id of its process."""
        if former != thread:
            self.threads.pop(former, None)
            if former in self.within:
                self.within[thread] = self.within.pop(former)
        self._go_on(thread)

    def _enter(self, thread: int) -> None:
        number, *arguments = struct.unpack_from("7Q", _syscall_info(thread), _INFO_VALUES)
        call = Call(self.threads[thread], thread, _NAMES[number], tuple(arguments))
        call.paths = tuple(_paths(call))
        if not self._obey(self.on_entry, call):
            if self.on_exit:
                self.within[thread] = call
            self._go_on(thread)

    def _leave(self, thread: int) -> None:
        call = self.within.pop(thread)
        (call.result,) = struct.unpack_from("q", _syscall_info(thread), _INFO_VALUES)
        if not self._obey(self.on_exit, call):
            self._go_on(thread)

    def _obey(self, callback: Callback | None, call: Call) -> bool:
        """Ask the callback, and say whether it had the process killed."""
        verdict = callback(call) if callback else None
        if verdict is None:
            return False
        self.killed_at = self.killed_at or time.monotonic()
        if verdict is Verdict.KILL_TREE:
            self.kill()
        else:
            _kill(call.pid)
        return True

    def _go_on(self, thread: int, number: int = 0) -> None:
        with suppress(ProcessLookupError):
            _ptrace(_SYSCALL if thread in self.within else _CONT, thread, number)


def _paths(call: Call) -> Iterator[str]:
    with suppress(OSError):
        if call.name in _DESCRIPTOR:
            yield os.readlink(f"/proc/{call.thread}/fd/{_as_int(call.arguments[_DESCRIPTOR[call.name]])}")
        for folder, path in _PATHS.get(call.name, ()):
            text = call.text(path) if call.arguments[path] else ""
            if text.startswith("/"):
                yield text
                continue
            descriptor = _AT_FDCWD if folder is None else _as_int(call.arguments[folder])
            within = "cwd" if descriptor == _AT_FDCWD else f"fd/{descriptor}"
            base = os.readlink(f"/proc/{call.thread}/{within}")
            yield os.path.join(base, text) if text else base  # without a path: the descriptor's own


def _as_int(argument: int) -> int:
    return ctypes.c_int(argument & 0xFFFFFFFF).value


def _leader_and_parent(thread: int) -> tuple[int, int]:
    """Return the ids of the process that a thread belongs to and of that one's parent."""
    try:
        lines = Path(f"/proc/{thread}/status").read_text("utf-8", "replace").splitlines()
    except OSError:  # it is gone
        return thread, 0
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["Tgid"]), int(fields["PPid"])


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _ptrace(request: int, thread: int, data: object = None, address: int = 0) -> int:
    result: int = _libc.ptrace(request, thread, address, data)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace({request:#x}): {os.strerror(number)}")
    return result


def _message(thread: int) -> int:
    value = ctypes.c_ulong()
    _ptrace(_GETEVENTMSG, thread, ctypes.addressof(value))
    return value.value


def _syscall_info(thread: int) -> bytes:
    info = ctypes.create_string_buffer(_INFO_BYTES)
    _ptrace(_GET_SYSCALL_INFO, thread, ctypes.addressof(info), _INFO_BYTES)
    return info.raw


def _become(
    command: Sequence[str] | Callable[[], object],
    ready: int,
    program: bytes,
    env: Mapping[str, str] | None,
    cwd: str | Path | None,
    output: int | None,
) -> NoReturn:
    """In the fork: wait until we are traced, filter, and run the command."""
    code = 127
    try:
        os.read(ready, 1)
        os.close(ready)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sink = os.open(os.devnull, os.O_WRONLY) if output is None else output
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        if cwd is not None:
            os.chdir(cwd)
        if env is not None:
            os.environ.clear()
            os.environ.update(env)
        _install(program)
        if callable(command):
            command()
            code = 0
        else:
            os.execvp(command[0], list(command))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _filter(calls: frozenset[str]) -> bytes:
    """Return the seccomp filter that stops at these calls (classic BPF: code, two jumps, a value)."""
    trace, allow = (_BPF_RETURN, 0, 0, _SECCOMP_TRACE), (_BPF_RETURN, 0, 0, _SECCOMP_ALLOW)
    lines = [(_BPF_LOAD, 0, 0, 4), (_BPF_IF_EQUAL, 1, 0, _AUDIT_ARCH), allow, (_BPF_LOAD, 0, 0, 0)]
    for name in calls & _NUMBERS.keys():
        if name in OPEN_FLAGS:
            flags = 16 + 8 * OPEN_FLAGS[name]
            lines += [(_BPF_IF_EQUAL, 0, 4, _NUMBERS[name]), (_BPF_LOAD, 0, 0, flags)]
            lines += [(_BPF_IF_ANY_BIT, 0, 1, _CREATES), trace, allow]
        else:
            lines += [(_BPF_IF_EQUAL, 0, 1, _NUMBERS[name]), trace]
    return b"".join(struct.pack("HBBI", *line) for line in [*lines, allow])


def _install(program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code)))
    for arguments in ((_PR_SET_NO_NEW_PRIVS, 1), (_PR_SET_SECCOMP, 2, ctypes.addressof(header))):
        words = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0)][:5]
        if _libc.prctl(*words) != 0:
            raise OSError(ctypes.get_errno(), "prctl: the system calls cannot be filtered")
