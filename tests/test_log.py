"""What run, work and scan say of what happens: as JSON, in a file that is rotated, to the journal, to nobody at all."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.messages import complaint
from tests.support import PATIENCE, TestHome, children_of, kill, wait_until
from tests.test_machine_faults import needs_mounts

KEYS = ["time", "level", "event", "package", "job", "attempt", "worker", "node", "seconds", "error", "message"]
#: Does what its package's name says; "dies" kills the worker, which is the parent of its guard.
HANDLER = """
import os, signal, sys, time
name, again = os.environ["JOBRUNNER_PACKAGE"], os.environ["JOBRUNNER_ATTEMPT"] != "1"
if name == "bad":
    print("no sensor")
    sys.exit(65)
if name == "later" and not again:
    sys.exit(75)
if name == "dies" and not again:
    with open(f"/proc/{os.getppid()}/stat") as file:
        os.kill(int(file.read().rpartition(")")[2].split()[1]), signal.SIGKILL)
    time.sleep(600)
"""
#: A name that is as long as can be when it is escaped.
LONG = "\x7f" * 230
UNWRITABLE = "jobrunner: the log cannot be written, and the work goes on: "


def read(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


def has(home: TestHome, *names: str) -> bool:
    return home.archive.exists() and set(names) <= set(os.listdir(home.archive))


def deliver(home: TestHome, *names: str) -> None:
    for name in names:
        home.package(name)
    wait_until(lambda: has(home, *names))


def test_of_a_whole_run_each_line_is_one_object(home: TestHome) -> None:
    home.handler(HANDLER, retry='backoff = "0s"')
    home.configure((home.path / "jobrunner.toml").read_text() + '[extract]\nkeep_free = "0 B"\n')
    odd = os.fsdecode(b"caf\xe9\n")
    for name in ("good", "bad", "later", "dies", odd):
        home.package(name)
    result = home.jobrunner("run", "-n", "2", "--drain", "--log-format", "json")
    assert (result.returncode, result.stdout) == (1, "")
    lines = read(result.stderr)
    for line in lines:
        assert list(line) == KEYS
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])
        assert (line["node"], type(line["message"])) == (socket.gethostname(), str)
    of = {(line["event"], line["package"]): line for line in lines}
    level_of = {line["event"]: line["level"] for line in lines}
    assert (level_of["unwise"], level_of["workers-started"], level_of["ended"]) == ("warning", "info", "info")

    done, failed, put_off = of["job-done", "good"], of["job-failed", "bad"], of["job-put-off", "later"]
    assert [(line["level"], line["attempt"]) for line in (done, failed, put_off)] == [
        ("info", 1),
        ("error", 1),
        ("warning", 1),
    ]
    assert all(line["seconds"] > 0 and line["job"] and line["worker"] for line in (done, failed, put_off))
    assert failed["error"] == "the handler rejected the data (exit status 65): no sensor"
    assert failed["message"] == f"failed  bad  {failed['error']}"
    assert done["error"] is None
    died, recovered = of["worker-died", None], of["job-recovered", "dies"]
    assert (died["worker"], died["level"]) == (recovered["worker"], "error")
    assert died["error"] == "was killed by signal 9 (Killed)"
    assert [of["job-done", name]["attempt"] for name in ("later", "dies", r"caf\xe9\n")] == [2, 2, 1]
    assert of["ended", None]["message"].startswith("end  4 packages done, 1 failed in ")


def test_why_it_ends_is_an_object_too(home: TestHome) -> None:
    home.handler("")
    home.work.touch()
    result = home.jobrunner("run", "--drain", "--log-format", "json")
    [line] = read(result.stderr)
    assert (result.returncode, line["event"], line["level"]) == (2, "given-up", "error")
    assert line["error"].startswith("folders.work is ")


def test_an_option_goes_before_a_variable_and_that_before_the_file(home: TestHome) -> None:
    home.configure('[log]\nformat = "json"\nfile = "of-the-file"\n')
    (home.path / "there").mkdir()
    home.package("p")
    scanned = home.jobrunner("scan")
    assert (scanned.returncode, scanned.stdout, scanned.stderr) == (0, "", "")
    assert [line["event"] for line in read((home.path / "of-the-file").read_text())] == ["packages-found"]
    before = (home.path / "of-the-file").read_text()
    environment = {"JOBRUNNER_LOG_FORMAT": "text", "JOBRUNNER_LOG_FILE": "of-the-variable"}
    assert home.jobrunner("work", "--drain", environment=environment).stderr == ""
    assert "  done       p  " in (home.path / "of-the-variable").read_text()
    words = ("--log-format", "json", "--log-file", "of-the-option")
    options = {"environment": environment, "cwd": home.path / "there"}
    assert home.jobrunner("work", "--drain", *words, **options).stderr == ""
    assert len(read((home.path / "there" / "of-the-option").read_text())) == 2
    assert (home.path / "of-the-file").read_text() == before


def test_a_log_that_is_rotated_loses_no_line(home: TestHome) -> None:
    log, second, copy = (home.path / name for name in ("run.log", "run.log.2", "run.log.copy"))
    process = home.start("run", "-n", "2", "--log-file", str(log))

    def logged(name: str) -> bool:
        return f"  done       {name}  " in log.read_text()

    deliver(home, "a")
    wait_until(lambda: logged("a"))
    assert stat.S_IMODE(log.stat().st_mode) == 0o600, "as the logs of packages"
    log.rename(home.path / "run.log.1")
    log.touch(mode=0o640)  # as logrotate does with "create"
    deliver(home, "b")
    wait_until(lambda: logged("b"))
    assert stat.S_IMODE(log.stat().st_mode) == 0o640
    log.rename(second)  # as with "nocreate"
    deliver(home, "c")
    wait_until(lambda: log.exists() and logged("c"))
    shutil.copyfile(log, copy)
    os.truncate(log, 0)  # as with "copytruncate"
    deliver(home, "d")
    wait_until(lambda: logged("d"))
    opened = {os.path.realpath(file) for pid in children_of(process.pid) for file in Path(f"/proc/{pid}/fd").iterdir()}
    assert not [file for file in opened if "run.log" in file], "nobody keeps a removed file on the disk"
    process.terminate()
    assert process.communicate(timeout=PATIENCE)[1] == ""
    text = "".join(path.read_text() for path in (home.path / "run.log.1", second, copy, log))
    said = Counter(re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  (\w+)", text, re.MULTILINE))
    assert said == {"start": 1, "found": 4, "done": 4, "stop": 1, "end": 1}
    assert text.count("\n") == said.total()
    assert "\0" not in text


def test_a_log_that_cannot_be_written_stops_nothing_and_is_written_later(home: TestHome) -> None:
    folder = home.path / "var"
    folder.mkdir()
    log, stderr = folder / "run.log", home.path / "stderr"
    process = home.start("run", "--log-file", str(log), stderr=stderr.open("w"))
    deliver(home, "a")
    wait_until(lambda: "done       a" in log.read_text())
    folder.rename(home.path / "gone")
    deliver(home, "b", "c")
    wait_until(stderr.read_text)
    (home.path / "gone").rename(folder)
    deliver(home, "d")
    process.terminate()
    process.wait(timeout=PATIENCE)
    assert stderr.read_text() == f"{UNWRITABLE}No such file or directory: {log}\n"
    assert re.findall("  done       (.)  ", log.read_text()) == ["a", "b", "c", "d"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=0755", "none", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@needs_mounts
def test_on_a_full_disk_lines_are_kept_whole(home: TestHome, small_disk: Path) -> None:
    log, full, stderr = small_disk / "run.log", small_disk / "full", home.path / "stderr"
    process = home.start("run", "--log-format", "json", "--log-file", str(log), stderr=stderr.open("w"))
    deliver(home, "first")
    with full.open("wb") as file, pytest.raises(OSError, match="No space"):
        file.write(b"x" * 65536)
    names = [f"{'n' * 200}{number}" for number in range(10)]
    deliver(home, *names)  # the end of the log's page takes some lines still, and a part of one
    wait_until(stderr.read_text)
    os.unlink(full)
    deliver(home, "last")
    process.terminate()
    process.wait(timeout=PATIENCE)
    assert stderr.read_text() == f"{UNWRITABLE}No space left on device: {log}\n"
    packages = [line["package"] for line in read(log.read_text()) if line["event"] == "job-done"]
    assert sorted(packages) == sorted(["first", *names, "last"])


def full_pipe() -> tuple[int, int]:
    """A pipe that takes nothing more; whoever writes to it would wait."""
    ours, theirs = os.pipe()
    os.write(theirs, b"." * fcntl.fcntl(theirs, fcntl.F_GETPIPE_SZ))
    return ours, theirs


def full_socket() -> tuple[int, int]:
    """A socket that takes nothing more, as the journal's does where that hangs."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            theirs.send(b"." * 4096)
    theirs.setblocking(True)
    return ours.detach(), theirs.detach()


def rest_of(reader: int) -> bytes:
    """Read until nobody writes any more."""
    with os.fdopen(reader, "rb") as file:
        return file.read()


@pytest.mark.parametrize("full", [full_pipe, full_socket])
@pytest.mark.parametrize("words", [["run", "-n", "2"], ["scan", "--watch"]], ids=lambda words: words[0])
def test_with_a_reader_that_sleeps_it_works_and_ends(home: TestHome, full: Any, words: list[str]) -> None:
    reader, stream = full()
    flags = fcntl.fcntl(stream, fcntl.F_GETFL)
    process = home.start(*words, stderr=stream)
    home.package("p")
    state = "queued" if words[0] == "scan" else "done"
    wait_until(lambda: (home.path / "jobrunner.db").exists() and home.counts()[state] == 1)
    assert fcntl.fcntl(stream, fcntl.F_GETFL) == flags, "others share the stream"
    os.close(stream)
    process.terminate()
    assert process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
    assert set(rest_of(reader)) == set(b".")


def test_what_is_not_read_is_counted_and_a_worker_replaced_meanwhile(home: TestHome) -> None:
    reader, stream = os.pipe()
    process = home.start("run", "-n", "1", "--log-format", "json", stderr=stream)
    os.close(stream)
    names = [f"{number}{LONG}" for number in range(430)]
    deliver(home, *names)
    deliver(home, "late")  # what the worker did before, it has told by now
    children = children_of(process.pid)
    kill(next(pid for pid in children if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()))
    wait_until(lambda: set(children_of(process.pid)) - set(children))  # what it told has been heard by now
    home.package("last")
    # The supervisor looks once a second and fills the pipe: with 64 KiB, that would be sixteen looks.
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 2**20)
    text = b""
    while not (b"events-lost" in text and b"done  last" in text):
        text += os.read(reader, 65536)
    process.terminate()
    lines = read((text + rest_of(reader)).decode())
    assert process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
    lost = sum(int(line["message"].split()[1]) for line in lines if line["event"] == "events-lost")
    unsaid = set(names) - {line["package"] for line in lines if line["event"] == "job-done"}
    assert 0 < len(unsaid) <= lost


@pytest.mark.parametrize("words", [[], ["--log-format", "json"]], ids=["text", "json"])
def test_to_the_journal_go_priorities_and_no_dates(home: TestHome, words: list[str]) -> None:
    home.handler(HANDLER, retry='backoff = "0s"')
    home.package("bad")
    home.package("later")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        status = os.fstat(theirs.fileno())
        environment = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert home.jobrunner("run", "--drain", *words, stderr=theirs, environment=environment).returncode == 1
        home.configure("nonsense")
        assert home.jobrunner("run", "--drain", *words, stderr=theirs, environment=environment).returncode == 2
        *lines, refusal = ours.recv(65536).decode().splitlines()
    assert refusal.startswith("<3>jobrunner: ")
    if words:
        level_of = {line[:3]: json.loads(line[3:])["level"] for line in lines}
        assert level_of == {"<3>": "error", "<4>": "warning", "<6>": "info"}
    else:
        said = {line.split()[0] for line in lines}
        assert said == {"<6>start", "<6>found", "<3>failed", "<4>waiting", "<6>done", "<6>end"}
    environment["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino + 1}"
    assert re.match(r"jobrunner: ", home.jobrunner("scan", environment=environment).stderr), "it is another stream's"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere/run.log", "--log-file: the log cannot be opened: No such file or directory"),
        ("inbox", "is no file to append to"),
        ("/dev/null", "is no file to append to"),
        ("jobrunner.toml", "a file that jobrunner needs itself"),
        ("jobrunner.db-wal", "a file that jobrunner needs itself"),
        ("logs/run.log", "lies in folders.logs, where packages have theirs"),
        ("open/run.log", "so everybody may change it: chmod o-w"),
    ],
)
def test_a_log_that_cannot_be_one_is_refused_in_one_line(home: TestHome, path: str, said: str) -> None:
    (home.path / "open").mkdir()
    (home.path / "open").chmod(0o777)
    (home.path / "logs").mkdir()
    assert said in complaint(home.jobrunner("run", "--drain", "--log-file", str(home.path / path)))
    home.configure(f"[log]\nfile = {json.dumps(path)}\n")
    assert said.replace("--log-file", "log.file") in complaint(home.jobrunner("scan"))


def test_a_format_that_there_is_not_is_refused_in_one_line(home: TestHome) -> None:
    said = complaint(home.jobrunner("work", "--log-format", "xml"))
    assert "'--log-format': 'xml' is not a word of these: text, json" in said
    home.configure('[log]\nformat = "xml"\n')
    assert 'log.format is "xml", but must be a word of these' in complaint(home.jobrunner("work"))


def test_a_group_of_readers_may_read_the_log(home: TestHome) -> None:
    group = os.getgroups()[-1] if os.getgroups() else os.getegid()
    home.configure(f'[database]\ngroup = "{group}"\n[log]\nfile = "run.log"\n')
    home.jobrunner("work", "--drain")
    status = (home.path / "run.log").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, group)
