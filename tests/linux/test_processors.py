"""How many processors there are for us: a quota of our control group, or of one above it, counts."""

import math
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from jobrunner.linux import processors
from jobrunner.linux.processors import allowed, idleness, quotas
from tests.support import control_group


def group_of(top: Path, files: dict[str, str]) -> Path:
    """Write the files of control groups, as the kernel has them, and return the innermost group."""
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text + "\n")
    return top / "pod" / "container"


@pytest.mark.parametrize(
    ("files", "narrowest"),
    [
        ({}, math.inf),
        ({"pod/container/cpu.max": "max 100000"}, math.inf),
        ({"pod/container/cpu.max": "150000 100000"}, 1.5),
        ({"pod/container/cpu.max": "5000 10000"}, 0.5),
        ({"pod/container/cpu.max": "max 100000", "pod/cpu.max": "400000 100000"}, 4),
        ({"pod/container/cpu.max": "300000 100000", "pod/cpu.max": "200000 100000"}, 2),
        ({"pod/container/cpu.max": "200000 100000", "pod/cpu.max": "300000 100000"}, 2),
        ({"pod/container/cpu.cfs_quota_us": "-1", "pod/container/cpu.cfs_period_us": "100000"}, math.inf),
        ({"pod/container/cpu.cfs_quota_us": "50000", "pod/container/cpu.cfs_period_us": "25000"}, 2),
        ({"pod/cpu.cfs_quota_us": "50000", "pod/cpu.cfs_period_us": "50000"}, 1),
        ({"pod/container/cpu.cfs_quota_us": "50000"}, math.inf),
        ({"pod/container/cpu.max": ""}, math.inf),
        ({"pod/container/cpu.max": "1 2 3"}, math.inf),
        ({"pod/container/cpu.max": "100000 0"}, math.inf),
    ],
)
def test_the_narrowest_quota_counts_and_what_is_none_does_not(
    tmp_path: Path, files: dict[str, str], narrowest: float
) -> None:
    assert min(map(allowed, quotas(group_of(tmp_path, files))), default=math.inf) == narrowest


@pytest.mark.parametrize(("cpu_max", "there_are"), [("50000 100000", 1), ("150000 100000", 2), ("max 100000", 3)])
def test_part_of_a_processor_is_one_and_a_quota_adds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu_max: str, there_are: int
) -> None:
    found = quotas(group_of(tmp_path, {"pod/cpu.max": cpu_max}))
    monkeypatch.setattr(processors, "_own_quotas", lambda: found)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    assert processors.processors() == there_are


def test_with_a_quota_of_one_processor_none_is_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loadavg").write_text("0.20 0.18 0.12 1/80 11206\n")  # it is we, who ask
    monkeypatch.setattr(processors, "_LOAD", tmp_path / "loadavg")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    for cpu_max, is_idle in (("100000 100000", False), ("200000 100000", True), ("max 100000", True)):
        found = quotas(group_of(tmp_path, {"pod/cpu.max": cpu_max}))
        monkeypatch.setattr(processors, "_own_quotas", partial(list, found))
        with idleness() as is_one_idle:
            assert is_one_idle() is is_idle


@pytest.mark.parametrize(
    ("controller", "file", "written"), [("", "cpu.max", "70000"), ("cpu", "cpu.cfs_quota_us", "70000")]
)
def test_a_process_finds_the_quota_of_the_group_that_it_is_in(controller: str, file: str, written: str) -> None:
    """The kernel's own files; each version where it has a controller of processors here."""
    told = "import sys; sys.stdin.read(); from jobrunner.linux.processors import processors; print(processors())"
    with control_group(controller) as group:
        if not (group / file).exists():
            pytest.skip(f"the control groups of this version that we may make here have no {file}")
        (group / file).write_text(written)
        with subprocess.Popen([sys.executable, "-c", told], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            (group / "cgroup.procs").write_text(str(process.pid))
            assert process.communicate()[0] == b"1\n"
