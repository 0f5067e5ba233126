"""The process in which a callable handler lives: imports it once, then answers one call after another.

Run by the guard as `python -P -m jobrunner.process.host DESCRIPTOR MODULE:FUNCTION`, in the home folder.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

from jobrunner.domain.errors import Reject, RetryLater, in_words
from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult, result_of_exit
from jobrunner.domain.package import Package
from jobrunner.process.channel import Channel
from jobrunner.process.handler import Call, package_environment


def main(descriptor: int, name: str) -> None:
    """Answer calls until the guard closes the connection."""
    os.set_inheritable(descriptor, False)
    channel = Channel(descriptor)
    ours = os.getpid()
    home = os.getcwd()
    sys.path.insert(0, home)
    function: Callable[[Package], object] | None = None
    while True:
        try:
            call = Call.of(channel.receive())
        except EOFError:
            return
        try:
            _print_to(call.log_path)
        except OSError as error:
            channel.send_result(HandlerResult(Outcome.FAULT, f"the handler's output cannot be kept: {in_words(error)}"))
            continue
        _open_streams()
        os.chdir(home)
        os.environ.update(package_environment(call.package))
        try:
            function = function or _load(name)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            reason = f"the callable {name} cannot be loaded: {_in_words(error)}"
            channel.send_result(HandlerResult(Outcome.FAULT, reason))
            return
        result = _result_of(function, call.package)
        _flush()
        if os.getpid() != ours:  # a fork that came back from the callable
            os._exit(0)
        channel.send_result(result)


def _load(name: str) -> Callable[[Package], object]:
    module, _, function = name.partition(":")
    loaded: Callable[[Package], object] = getattr(importlib.import_module(module), function)
    return loaded


def _result_of(function: Callable[[Package], object], package: Package) -> HandlerResult:
    try:
        function(package)
    except Reject as reject:
        return HandlerResult(Outcome.REJECTED, f"the handler rejected the data: {reject}")
    except RetryLater as later:
        return HandlerResult(Outcome.LATER, f"the handler asked to be run later: {later}")
    except SystemExit as ended:
        return result_of_exit(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
    except BaseException as error:
        with suppress(Exception):  # it may have closed stderr
            traceback.print_exc()
        return HandlerResult(Outcome.FAILED, _in_words(error))
    return HandlerResult(Outcome.DONE)


def _in_words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _print_to(log_path: str) -> None:
    descriptor = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
        os.set_inheritable(standard, True)  # where a callable has closed it, it is the descriptor itself
    if descriptor > 2:
        os.close(descriptor)


def _open_streams() -> None:
    """Make stdout and stderr anew where a callable has closed them."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(getattr(sys, name), "closed", True):
            setattr(sys, name, open(descriptor, "w", errors="backslashreplace", closefd=False))  # noqa: SIM115


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # it was closed, or the disk is full: what it printed is not what it did
            stream.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
