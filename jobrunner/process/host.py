"""The process in which a callable handler lives: imports it once, then answers one call after another.

Run by the guard as `python -P -m jobrunner.process.host DESCRIPTOR MODULE:FUNCTION`, in the home folder.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

from jobrunner.domain.errors import Reject, RetryLater
from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult, result_of_exit
from jobrunner.domain.package import printable, shown
from jobrunner.process.channel import Channel
from jobrunner.process.handler import Call, environment_of_call
from jobrunner.process.package import Package
from jobrunner.process.title import IDLE, Title


def main(descriptor: int, name: str) -> None:
    """Answer calls until the guard closes the connection."""
    os.set_inheritable(descriptor, False)
    channel = Channel(descriptor)
    output, ours = os.dup(1), os.getpid()
    home = os.getcwd()
    sys.path.insert(0, home)
    function: Callable[[Package], object] | None = None
    title = Title(f"handler {shown(name)}")
    title.take()
    while True:
        try:
            call = Call.of(channel.receive())
        except EOFError:
            return
        title.show(call.package.name)
        _print_to(output)
        os.chdir(home)
        os.environ.update(environment_of_call(call))
        try:
            function = function or _load(name)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            reason = f"the callable {name} cannot be loaded: {_in_words(error)}"
            channel.send_result(_storable(HandlerResult(Outcome.FAILED, reason)))
            return
        result = _result_of(function, Package.of(call.package, call.progress_path))
        _flush()
        if os.getpid() != ours:  # a fork that came back from the callable
            os._exit(0)
        title.show(IDLE)
        channel.send_result(_storable(result))


def _storable(result: HandlerResult) -> HandlerResult:
    """Return a result whose text can be stored and shown: it may be made of what the package holds."""
    return result._replace(error=printable(result.error, keep="\n\t"))


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
        if isinstance(ended.code, int | None):
            return result_of_exit(ended.code or 0)
        with suppress(Exception):  # it may have closed stderr
            print(ended.code, file=sys.stderr)  # as Python does
        return result_of_exit(1)
    except BaseException as error:
        with suppress(Exception):  # it may have closed stderr
            traceback.print_exc()
        return HandlerResult(Outcome.FAILED, _in_words(error))
    return HandlerResult(Outcome.DONE)


def _in_words(error: BaseException) -> str:
    name, words = type(error).__name__, " ".join(str(error).split())
    return f"{name}: {words}" if words else name


def _print_to(output: int) -> None:
    """Open standard output and error again, whatever the last package did to them."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(output, number)
        if getattr(getattr(sys, name), "closed", True):
            stream = open(number, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)  # for the host's life


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # it was closed, or the disk is full: what it printed is not what it did
            stream.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
