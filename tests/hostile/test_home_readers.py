"""Another user on a home: a reader that the modes let in reads, and blocks and changes nothing, whatever it tries."""

import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.messages import complaint, tree
from tests.support import PATIENCE, clean_environment, wait_until
from tests.users import User, UsersHome

LAB = 23777
SERVICE, READER, STRANGER = User(23101, (LAB,)), User(23102, (LAB,)), User(23103)


@pytest.fixture
def home(public_path: Path, python: list[str]) -> Iterator[UsersHome]:
    """The service's home, with a processed package; of the group `LAB`, every member may read it."""
    made = UsersHome(public_path / "home", SERVICE, python)
    made.handler("print('hello')")
    made.configure((made.path / "jobrunner.toml").read_text() + f'[database]\ngroup = "{LAB}"\n')
    made.package("p")
    SERVICE.owns(made.path)
    assert made.jobrunner("run", "--drain").returncode == 0
    yield made
    made.end_all()


def ask(home: UsersHome, *words: str) -> subprocess.CompletedProcess[str]:
    return home.by(READER).jobrunner(*words)


def deliver(home: UsersHome, name: str) -> None:
    SERVICE.owns(home.package(name, folder=home.path)).rename(home.inbox / name)


@pytest.mark.parametrize("somebody_works", [False, True], ids=["idle", "busy"])
def test_a_member_of_the_group_reads_and_leaves_no_trace(home: UsersHome, somebody_works: bool) -> None:
    if somebody_works:
        home.start("work")
        wait_until((home.path / "jobrunner.db-wal").exists)
    before = tree(home.path)
    tab = ["completion", "zsh", "--answer", "--", "--home", str(home.path), "show", ""]
    asked = [
        ask(home, *words) for words in (["status", "--json"], ["show", "p"], ["logs", "p"], ["list"], ["metrics"], tab)
    ]
    assert [(result.returncode, result.stderr) for result in asked] == [(0, "")] * 6
    document = json.loads(asked[0].stdout)
    assert document["counts"]["done"] == 1
    assert document["troubles"] == []
    assert "archive/p" in asked[1].stdout
    assert asked[2].stdout == "hello\n"
    assert "  p" in asked[3].stdout
    assert 'state="done"} 1\n' in asked[4].stdout
    assert asked[5].stdout == "nothing\np\n"
    assert somebody_works or tree(home.path) == before


def test_a_reader_sees_a_log_grow_and_the_job_end(home: UsersHome) -> None:
    """The handler goes on when the reader has shown its first line."""
    go_on = home.path / "go-on"
    os.mkfifo(go_on)
    os.chown(go_on, SERVICE.uid, SERVICE.uid)
    (home.path / "handler.py").write_text(f"print('begun', flush=True)\nopen({str(go_on)!r}).read()\nprint('over')\n")
    deliver(home, "q")
    running = home.start("run", "--drain")
    wait_until((home.logs / "q" / "1.log").exists)
    with home.by(READER).start("logs", "-f", "q", stdout=subprocess.PIPE) as following:
        assert following.stdout
        assert following.stdout.readline() == "begun\n"
        go_on.write_text("")
        assert following.communicate(timeout=PATIENCE) == ("over\n", "")
    assert following.returncode == 0
    assert running.wait(PATIENCE) == 0


def test_a_reader_sees_who_works_and_what_runs(home: UsersHome) -> None:
    go_on = home.path / "go-on"
    os.mkfifo(go_on)
    os.chown(go_on, SERVICE.uid, SERVICE.uid)
    (home.path / "handler.py").write_text(f"print('begun', flush=True)\nopen({str(go_on)!r}).read()\n")
    deliver(home, "q")
    working = home.start("run", "--drain")
    wait_until((home.logs / "q" / "1.log").exists)
    document = json.loads(ask(home, "status", "--json").stdout)
    (runner,), (running,) = document["runners"], document["running"]
    assert (runner["command"], runner["pid"], runner["alive"]) == ("run", working.pid, 1)
    assert (running["name"], running["step"]) == ("q", None), "the work folder is not for readers"
    assert (document["interrupted"], document["troubles"]) == ([], [])
    assert re.search(r"^  q  for \d+ s  worker \d+$", ask(home, "status").stdout, re.M)
    go_on.write_text("")
    assert working.wait(PATIENCE) == 0
    assert ask(home, "status").stdout.startswith("Nothing is running")


@pytest.mark.parametrize("command", [["run"], ["retry", "--all"], ["check", "--repair"]], ids=" ".join)
def test_a_reader_changes_nothing(home: UsersHome, command: list[str]) -> None:
    before = tree(home.path)
    said = complaint(ask(home, *command))
    assert f"is not ours to write: it is user {SERVICE.uid}'s" in said
    assert tree(home.path) == before


def test_whoever_is_not_in_the_group_is_told_what_the_owner_can_do(home: UsersHome) -> None:
    said = complaint(home.by(STRANGER).jobrunner("status"))
    assert "jobrunner.toml" in said
    assert "database.group" in said


def test_a_home_cannot_be_made_in_somebody_elses_folder(home: UsersHome) -> None:
    said = complaint(ask(home, "init", str(home.path / "new")))
    assert "the home cannot be made: Permission denied" in said
    assert not (home.path / "new").exists()


def hold_all(home: UsersHome) -> None:
    """Lock whatever can be opened in a home, as a whole and each of its bytes, say so, and keep it."""
    held = []
    for path in [home.path, *home.path.rglob("*")]:
        with suppress(OSError):
            held.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(held[-1], fcntl.LOCK_SH | fcntl.LOCK_NB)
    assert held
    print("held", flush=True)
    signal.pause()


def test_no_lock_of_a_readers_holds_up_the_work(home: UsersHome) -> None:
    """On the code before, the first flock on jobrunner.db-writer was the end of all work, without a word."""
    working = home.start("run", "-n", "2")
    wait_until((home.path / "jobrunner.db-wal").exists)
    ours, theirs = os.pipe()
    reader = os.fork()
    if reader == 0:
        os.dup2(theirs, 1)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        READER.run(lambda: hold_all(home))
        os._exit(0)
    os.close(theirs)
    try:
        assert os.read(ours, 5) == b"held\n"
        for number in range(20):
            deliver(home, f"q{number}")
        wait_until(lambda: len(os.listdir(home.archive)) == 21)
        assert home.jobrunner("check").returncode == 0
        working.terminate()
        assert working.wait(30) == 143
        deliver(home, "last")
        assert home.jobrunner("run", "--drain").returncode == 0
    finally:
        for pid in (*map(int, Path(f"/proc/{reader}/task/{reader}/children").read_text().split()), reader):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(reader, 0)
        os.close(ours)


def test_readers_that_copy_all_the_time_hold_up_nothing(home: UsersHome) -> None:
    reading = subprocess.Popen(
        [
            "sh",
            "-c",
            'while :; do "$@" >/dev/null || exit; done',
            "sh",
            *home.by(READER).program,
            "--home",
            home.path,
            "status",
        ],
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        for number in range(30):
            deliver(home, f"q{number}")
        assert home.jobrunner("run", "-n", "3", "--drain").returncode == 0
        assert reading.poll() is None
    finally:
        os.killpg(reading.pid, signal.SIGKILL)
        reading.communicate()
    assert home.asked("status", "--json")["counts"]["done"] == 31


FOR_THE_OWNER = (
    "jobrunner.db",
    "jobrunner.db-next",
    "jobrunner.db-writer",
    "jobrunner.db-wal",
    "jobrunner.db-shm",
    "jobrunner.toml",
    "work/.home",
    "work/.workers",
    "logs",
)


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
def test_without_a_group_all_is_for_the_owner_at_each_moment_whatever_the_umask(
    public_path: Path, python: list[str], umask: int
) -> None:
    homes = [public_path / str(number) for number in range(3)]
    over = public_path / "over"

    def race() -> None:
        while not over.exists():
            for path in (path / name for path in homes for name in FOR_THE_OWNER):
                with suppress(PermissionError, FileNotFoundError):
                    os.close(os.open(path, os.O_RDONLY))
                    raise OSError(errno.EBUSY, "it could be opened")

    racing = os.fork()
    if racing == 0:
        os._exit(STRANGER.run(race))
    try:
        for path in homes:
            path.mkdir()
            SERVICE.owns(path, 0o755)
            home = UsersHome(path, SERVICE, python)
            os.rmdir(home.inbox)
            assert home.jobrunner("init", umask=umask).returncode == 0
            deliver(home, "p")
            result = home.jobrunner("run", "--drain", umask=umask)
            assert result.returncode == 0, result.stderr
    finally:
        over.touch()
        ended = os.waitpid(racing, 0)[1]
    assert os.waitstatus_to_exitcode(ended) == 0


def test_the_modes_of_an_older_home_are_set_and_each_change_is_said_once(home: UsersHome) -> None:
    older = {"jobrunner.db-writer": 0o666, "work/.home": 0o644, "work/.workers": 0o755, "jobrunner.db": 0o644}
    for name, mode in older.items():
        (home.path / name).chmod(mode)
    said = home.jobrunner("scan").stderr.splitlines()
    assert sorted(line.split("rights     ")[1] for line in said) == [
        f"{home.path}/jobrunner.db-writer: others could lock it; its mode is 0600 now",
        f"{home.path}/jobrunner.db: others could read it; its mode is 0640 now",
        f"{home.path}/work/.home: others could lock it; its mode is 0600 now",
        f"{home.path}/work/.workers: others could lock what lies in it; its mode is 0700 now",
    ]
    assert home.jobrunner("scan").stderr == ""


def test_readers_lose_what_the_settings_take_from_them(home: UsersHome) -> None:
    home.handler("print('hello')")
    SERVICE.owns(home.path / "jobrunner.toml", 0o644)
    assert home.jobrunner("scan").returncode == 0
    assert (home.path / "jobrunner.db").stat().st_mode & 0o777 == 0o600
    assert (home.logs).stat().st_mode & 0o777 == 0o700
    assert "cannot be read" in complaint(ask(home, "status"), code=1)


def test_a_reader_is_told_where_packages_are_and_nothing_of_its_own_rights(home: UsersHome) -> None:
    deliver(home, "new")
    deliver(home, "locked")
    (home.inbox / "locked").chmod(0o700)
    before = tree(home.path)
    kinds = {}
    for name in ("p", "new", "locked", "nothing"):
        result = ask(home, "explain", "--json", name)
        assert (result.returncode, result.stderr) == (int(name == "nothing"), "")
        kinds[name] = json.loads(result.stdout)["kind"]
    assert kinds == {"p": "done", "new": "unscanned", "locked": "unreadable", "nothing": "unknown"}
    status = json.loads(ask(home, "status", "--json").stdout)
    assert [entry["name"] for entry in status["new"]] == ["new"]
    assert status["incomplete"] == [
        {"name": "locked", "reason": "only jobrunner's user may look into it", "holds": None}
    ]
    home.inbox.chmod(0o700)
    result = ask(home, "explain", "new")
    assert result.returncode == 1
    assert f"You cannot look into {home.inbox}." in result.stdout
    home.inbox.chmod(0o755)
    assert tree(home.path) == before
