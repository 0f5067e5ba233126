"""One job's way through the code, from its claim to the archive, is the one that ARCHITECTURE.md shows: it is short."""

import itertools
import re
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import pytest

import jobrunner
from jobrunner.domain.envelope import Emit
from jobrunner.domain.job import Job
from jobrunner.domain.role import Role
from jobrunner.files.workspace import Workspace
from jobrunner.process.handler import Call
from jobrunner.services.attempt import CurrentAttempt, Done, Failed, PutOff
from jobrunner.store.bell import Bell
from jobrunner.wiring.bugs import Exits
from jobrunner.wiring.home import load_settings
from jobrunner.wiring.running import worker_main
from tests.support import TestHome

ROOT = Path(jobrunner.__file__).parent
#: The job, and what it is on its way.
THE_JOB = Job | CurrentAttempt | Workspace | Call | Done | Failed | PutOff
FLOORS = {"domain": 0, "linux": 0, "store": 1, "files": 1, "unzip": 1, "process": 1, "services": 2}


def is_the_job(value: object) -> bool:
    if isinstance(value, list):
        return any(map(is_the_job, value))
    return any(map(is_the_job, value.values())) if isinstance(value, dict) else isinstance(value, THE_JOB)


def files_on_the_way(home: TestHome) -> list[str]:
    """Return the files whose functions get the job, in the order in which they do, each once until the next one does.

    What a function does after another one has returned is no new stay in its file.
    """
    passed: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(f"{ROOT}/") or code.co_name.startswith("<"):
            return
        if isinstance(frame.f_locals.get("self"), Job):  # what a job says of itself
            return
        parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        file = str(Path(code.co_filename).relative_to(ROOT).with_suffix(""))
        if passed[-1:] != [file] and any(is_the_job(frame.f_locals.get(name)) for name in parameters):
            passed.append(file)

    bell = Bell(home.path / "jobrunner.db")
    main = worker_main(load_settings(home.path), Exits(None, print).of, bell, None, drain=True)
    sys.setprofile(note)
    try:
        main("the supervisor", 1, lambda trouble: None, Emit(Role.WORKER))
    finally:
        sys.setprofile(None)
    return passed


@pytest.mark.parametrize("handler", ['[process]\ncommand = ["true"]\n', ""], ids=["with a handler", "without one"])
def test_a_job_comes_back_to_few_files(home: TestHome, handler: str) -> None:
    home.configure(handler)
    home.package("p")
    home.jobrunner("scan")
    files = files_on_the_way(home)
    assert home.counts()["done"] == 1
    floors = [FLOORS[file.partition("/")[0]] for file in files]
    assert len(files) <= 17
    assert sum(above > below for below, above in itertools.pairwise(floors)) <= 3
    assert max(Counter(files).values()) <= 2
    if handler:
        assert files == shown_in_the_architecture()


def shown_in_the_architecture() -> list[str]:
    text = (ROOT.parent / "ARCHITECTURE.md").read_text("utf-8")
    block = re.search(r"^## The way of a job\n[\s\S]*?```\n([\s\S]*?)```", text, re.MULTILINE)
    assert block
    return re.findall(r"\w+/\w+", block[1])
