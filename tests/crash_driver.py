"""Runs the real command line with edges wrapped, so that the process that passes one is killed there (SIGKILL).

Started by tests/crash_table/ as `python crash_driver.py KILLS MARKS WORD...`. Production code has no hooks for
this. MARKS is a folder in which each death leaves a file.
"""

import importlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

#: What the statements return when they changed nothing: such a call is no step.
_NOTHING = {"claim": None, "claim_cancelled": None, "enqueue": 0, "retry": False, "replace": False}


@dataclass(frozen=True, slots=True)
class Kill:
    """One place to die at.

    `edge` is a function by its dotted name ("os.rename"), or "commit of STEP", STEP being a method of Queue or, as
    "Revisions.METHOD", of another class of the store. Its calls
    count whose arguments match `matching` (and that succeed, for "after"); the process dies at the `call`-th of its
    calls, and in all no more than `times` processes die. With `alone`, only this process dies, else the whole tree.
    With `stops`, this process is stopped instead (SIGSTOP), until somebody lets it go on.
    """

    edge: str
    when: Literal["before", "after"] = "after"
    matching: str = ""
    call: int = 1
    times: int = 1
    alone: bool = False
    stops: bool = False


def encoded(kills: tuple[Kill, ...]) -> str:
    return json.dumps([asdict(kill) for kill in kills])


def main() -> None:
    kills, marks, *words = sys.argv[1:]
    for number, kill in enumerate(json.loads(kills)):
        _arm(Kill(**kill), Path(marks), number)
    sys.argv = ["jobrunner", *words]
    from jobrunner.cli.main import main as jobrunner
    from jobrunner.services import settling

    settling.BATCH_SECONDS = 60.0  # however slow this machine is, the calls come in the same order

    jobrunner()


def _arm(kill: Kill, marks: Path, number: int) -> None:
    calls, top = count(1), os.getpid()

    def die_if_it_is_time() -> None:
        if next(calls) == kill.call and any(_mark(marks / f"{number}-{time}") for time in range(kill.times)):
            if kill.stops:
                os.kill(os.getpid(), signal.SIGSTOP)
                return
            if not kill.alone:
                os.kill(top, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    if kill.edge.startswith("commit of "):
        _wrap_commit(kill.edge.removeprefix("commit of "), kill.when, die_if_it_is_time)
    else:
        _wrap_function(kill, die_if_it_is_time)


def _mark(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _wrap_function(kill: Kill, die_if_it_is_time: Callable[[], None]) -> None:
    owner, name = _resolved(kill.edge)
    original = getattr(owner, name)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        matches = re.search(kill.matching, " ".join(map(str, arguments)))
        if matches and kill.when == "before":
            die_if_it_is_time()
        result = original(*arguments, **options)
        if matches and kill.when == "after":
            die_if_it_is_time()
        return result

    setattr(owner, name, wrapped)


def _wrap_commit(step: str, when: str, die_if_it_is_time: Callable[[], None]) -> None:
    """Die when the step is executed but not committed ("before"), or as soon as it is ("after")."""
    from jobrunner.store.database import Database
    from jobrunner.store.queue import Queue

    taken: list[str] = []
    *of, step = step.split(".")
    owner: Any = _resolved(f"jobrunner.store.{of[0].lower()}.{of[0]}.{step}")[0] if of else Queue
    original, write = getattr(owner, step), Database.write

    def wrapped(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        if step not in _NOTHING or result != _NOTHING[step]:
            taken.append(step)
            if when == "before":
                die_if_it_is_time()
        return result

    @contextmanager
    def wrapped_write(database: Database, **options: Any) -> Iterator[None]:
        taken.clear()
        with write(database, **options):
            yield
        if taken and when == "after":
            die_if_it_is_time()

    setattr(owner, step, wrapped)
    setattr(Database, "write", wrapped_write)  # noqa: B010  (an assignment to a method)


def _resolved(edge: str) -> tuple[Any, str]:
    """Return the module or class that has the function, and the function's name."""
    owner, _, name = edge.rpartition(".")
    try:
        return importlib.import_module(owner), name
    except ModuleNotFoundError:
        module, _, class_name = owner.rpartition(".")
        return getattr(importlib.import_module(module), class_name), name


if __name__ == "__main__":
    main()
