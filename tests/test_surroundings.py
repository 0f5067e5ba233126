"""What a handler is started in: its output, its session, its environment, its user."""

import fcntl
import json
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.domain.exits import BUG
from jobrunner.domain.job import Outcome
from jobrunner.domain.package import Package
from jobrunner.process.account import Account
from jobrunner.process.callable import CallableHandler
from jobrunner.process.guard import Guard
from jobrunner.process.handler import Call
from jobrunner.process.limits import Limits
from jobrunner.process.presence import Presence
from tests.messages import complaint
from tests.scripts import PRELUDE, journal, lives, outcomes
from tests.support import JOBRUNNER, PATIENCE, RECEIPT, TestHome, clean_environment, kill, wait_until

USER = "nobody"
ONCE = "max_attempts = 1"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a program as another user")
pytestmark = pytest.mark.usefixtures("_buffered")


@pytest.fixture
def _buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python programs buffer their output, as they do by themselves."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def public_home(public_path: Path) -> Iterator[TestHome]:
    """A home that every user can reach."""
    home = TestHome(public_path / "home")
    yield home
    home.end_all()


def log_of(home: TestHome, name: str = "p", attempt: int = 1) -> str:
    return (home.logs / name / f"{attempt}.log").read_text()


def shell(home: TestHome, script: str, **process: str) -> None:
    """Configure a shell script as the handler: every user can run a shell. Further keys are TOML source."""
    (home.path / "handler.sh").write_text(script)
    keys = "".join(f"{key} = {value}\n" for key, value in process.items())
    home.configure(f'[process]\ncommand = ["/bin/sh", "handler.sh"]\n{keys}[retry]\n{ONCE}\n')


def run(home: TestHome, code: int = 0, /, **environment: str) -> None:
    result = home.jobrunner("run", "--drain", environment=environment)
    assert result.returncode == code, result.stderr


# The output


@pytest.mark.parametrize("kind", ["command", "callable"])
def test_what_was_printed_is_in_the_log_when_the_handler_is_ended_at_its_timeout(home: TestHome, kind: str) -> None:
    body = "print('begun')\nprint('not a whole line', end='')\nimport signal\nwhile True: signal.pause()\n"
    if kind == "command":
        home.handler(body, timeout='"2s"', retry=ONCE)
    else:
        source = "def process(package):\n" + "".join(f"    {line}\n" for line in body.splitlines())
        (home.path / "analysis.py").write_text(source)
        home.configure(f'[process]\ncallable = "analysis:process"\ntimeout = "2s"\n[retry]\n{ONCE}\n')
    home.package("p")
    run(home, 1)
    assert log_of(home) == "begun\nnot a whole line"


def test_a_log_is_bounded_and_the_handler_goes_on(home: TestHome) -> None:
    source = "for number in range(200_000): print(number)\nprint('the end', flush=True)"
    home.handler(source, max_log='"64 KiB"', environment="{ PYTHONUNBUFFERED = false }")
    home.package("p")
    run(home)
    assert outcomes(home) == ["done"]
    log = log_of(home)
    assert len(log) <= 1 << 16
    assert log.startswith("0\n1\n2\n")
    assert log.endswith("199999\nthe end\n")
    assert len(re.findall(r"^--- jobrunner left out [\d,]+ bytes here: process.max_log -+$", log, re.MULTILINE)) == 1
    assert home.jobrunner("logs", "p").stdout == log


def test_following_a_log_shows_each_line_although_the_log_keeps_few(home: TestHome) -> None:
    source = """
for number in range(60_000):
    print(number)
    if number % 10_000 == 0: wait_for(f"go-{number}")
"""
    home.handler(PRELUDE + source, max_log='"256 KiB"')
    home.package("p")
    home.start("run")
    wait_until((home.logs / "p/1.log").exists)
    words = [*JOBRUNNER, "--home", str(home.path), "logs", "-f", "p"]
    following = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=clean_environment())
    assert following.stdout
    for number in range(60_000):
        assert following.stdout.readline() == f"{number}\n"
        if number % 10_000 == 0:
            (home.path / f"go-{number}").touch()
    assert following.wait(PATIENCE) == 0
    assert "--- jobrunner left out" in log_of(home)


@as_root
def test_a_handler_that_prints_without_end_does_not_fill_the_disk(public_path: Path) -> None:
    """A home on a disk of 60 MB: two good packages are done while `yes` runs, and the disk has room."""
    disk = public_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "none", disk], check=True)
    home = TestHome(disk / "home")
    try:
        shell(home, 'case $JOBRUNNER_PACKAGE in bad) exec yes;; esac; test -e "$JOBRUNNER_DATA/data.txt"')
        with (home.path / "jobrunner.toml").open("a") as toml:
            toml.write('[extract]\nkeep_free = "1 MiB"\n')
        home.package("bad")
        process = home.start("run", "-n", "2")
        log = home.logs / "bad/1.log"
        wait_until(lambda: log.exists() and b"--- jobrunner left out" in log.read_bytes())
        for name in ("good-1", "good-2"):
            home.package(name, {"data.txt": bytes(1 << 24)})
            wait_until((home.archive / name).is_dir)
        assert outcomes(home, "bad") == ["running"]
        assert "here: the disk has little room -" in log.read_text()
        assert process.poll() is None
    finally:
        home.end_all()
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("kind", ["command", "callable"])
def test_a_handler_that_closes_its_output_succeeds_and_the_next_one_prints(home: TestHome, kind: str) -> None:
    if kind == "command":
        shell(home, "echo one; exec >&- 2>&-; echo lost; exit 0")
    else:
        body = "print('one', flush=True); sys.stdout.close(); os.close(2)"
        source = f"import os, sys\ndef process(package): {body}"
        (home.path / "analysis.py").write_text(source)
        home.configure('[process]\ncallable = "analysis:process"')
    for name in ("p", "q"):
        home.package(name)
    run(home)
    assert [outcomes(home, name) for name in ("p", "q")] == [["done"], ["done"]]
    assert [log_of(home, name) for name in ("p", "q")] == ["one\n", "one\n"]


# The session


@pytest.mark.parametrize("kind", ["command", "callable"])
def test_a_handler_has_a_session_of_its_own_and_cannot_open_the_terminal(home: TestHome, kind: str) -> None:
    body = "try: open('/dev/tty')\nexcept OSError as error: print(error.strerror)\nprint(os.getsid(0) == os.getpid())"
    if kind == "command":
        home.handler(f"import os\n{body}")
    else:
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        (home.path / "analysis.py").write_text(f"import os\ndef process(package):\n{lines}")
        home.configure('[process]\ncallable = "analysis:process"')
    home.package("p")
    ours, theirs = pty.openpty()
    try:
        process = subprocess.run(
            ["/bin/sh", "-c", ': < /dev/tty && exec "$@"', "sh", *JOBRUNNER, "--home", home.path, "run", "--drain"],
            stdin=theirs,
            env=clean_environment(),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY),
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == 0
    assert log_of(home) == "No such device or address\nTrue\n"


# The environment

TELL = "import json, os\njson.dump(dict(os.environ), open(os.environ['JOBRUNNER_DATA'] + '/told.json', 'w'))"
ALONE = {
    "NOTIFY_SOCKET": "/run/systemd/notify",
    "CREDENTIALS_DIRECTORY": "/run/credentials",
    "LISTEN_FDS": "1",
    "LISTEN_PID": "1",
    "LISTEN_FDNAMES": "web",
    "WATCHDOG_USEC": "1000000",
    "WATCHDOG_PID": "1",
    "JOBRUNNER_WEB_USERS_FILE": "hush",
}


def told(home: TestHome, name: str = "p") -> dict[str, str]:
    read: dict[str, str] = json.loads((home.archive / name / "told.json").read_text())
    return read


@pytest.mark.parametrize("kind", ["command", "callable"])
def test_what_is_jobrunners_own_is_not_handed_on_and_settings_add_and_clear(home: TestHome, kind: str) -> None:
    environment = '{ OMP_NUM_THREADS = "1", EMPTY = "", DISPLAY = false, NEVER_SET = false }'
    if kind == "command":
        home.handler(TELL, environment=environment)
    else:
        imports, statement = TELL.split("\n")
        (home.path / "analysis.py").write_text(f"{imports}\ndef process(package): {statement}")
        home.configure(f'[process]\ncallable = "analysis:process"\nenvironment = {environment}\n')
    home.package("p")
    run(home, **ALONE, DISPLAY=":0", MINE="as it was")
    seen = told(home)
    assert ALONE.keys() & seen.keys() == set()
    assert (seen["OMP_NUM_THREADS"], seen["EMPTY"], seen["MINE"], seen["PYTHONUNBUFFERED"]) == (
        "1",
        "",
        "as it was",
        "1",
    )
    assert {"DISPLAY", "NEVER_SET"} & seen.keys() == set()


def test_the_environment_can_be_given_as_a_variable(home: TestHome) -> None:
    home.handler(TELL, environment='{ A = "of the file" }')
    home.package("p")
    run(home, JOBRUNNER_PROCESS_ENVIRONMENT='{"A": "of the variable", "PYTHONUNBUFFERED": false}')
    assert told(home)["A"] == "of the variable"
    assert "PYTHONUNBUFFERED" not in told(home)


# The user


@as_root
def test_a_handler_of_another_user_owns_its_data_and_reaches_nothing_else(public_home: TestHome) -> None:
    home = public_home
    script = """
id -un; id -Gn; echo $HOME $USER $LOGNAME; echo to-the-device > /dev/stdout
cat data.txt 2> /dev/null || cat "$JOBRUNNER_DATA/data.txt"
head -c 2 "$JOBRUNNER_ZIP"; echo
mkdir "$JOBRUNNER_DATA/new" && echo made > "$JOBRUNNER_DATA/new/file"
for path in "$JOBRUNNER_ZIP" "$JOBRUNNER_HOME/x" "$JOBRUNNER_DATA/../x" "$JOBRUNNER_HOME/archive/x" logs/p/1.log
do (echo x >> "$path") 2> /dev/null && echo "could write $path"; done
for path in "$JOBRUNNER_DATA/.." jobrunner.db-writer
do cat "$path" > /dev/null 2>&1 && echo "could read $path"; ls "$path" > /dev/null 2>&1 && echo "could list $path"; done
rm -rf "$JOBRUNNER_DATA" 2> /dev/null; mkdir -p "$JOBRUNNER_DATA/new"; echo made > "$JOBRUNNER_DATA/new/file"
"""
    shell(home, script, user=f'"{USER}"')
    (home.path / "jobrunner.db-writer").touch(mode=0o600)
    package = home.package("p")
    (package / "p.zip").chmod(0o600)
    package.chmod(0o700)
    run(home)
    account = Account.of(USER)
    assert account
    groups = subprocess.run(["id", "-Gn", USER], capture_output=True, text=True, check=True).stdout
    who = f"{USER}\n{groups}{account.home} {USER} {USER}\n"
    listed = "could list jobrunner.db-writer\n"  # its name is there to be seen
    assert log_of(home) == f"{who}to-the-device\n42\nPK\n{listed}"
    made = home.archive / "p/new/file"
    assert made.read_text() == "made\n"
    assert {(path.stat().st_uid, path.stat().st_mode & 0o7022) for path in (made, made.parent)} == {(0, 0)}


@as_root
def test_what_the_archive_cannot_trust_fails_the_attempt_with_its_name(public_home: TestHome) -> None:
    shell(public_home, 'ln -s /etc/shadow "$JOBRUNNER_DATA/sub-link"', user=f'"{USER}"')
    public_home.package("p")
    run(public_home, 1)
    assert public_home.show("p")["error"] == (
        "the handler left a symbolic link, where process.user allows only files and folders: sub-link"
    )
    assert sorted(os.listdir(public_home.work)) == [".home", ".workers"]


@as_root
def test_in_a_try_a_handler_of_another_user_has_what_it_has_in_a_worker(public_home: TestHome) -> None:
    script = """
id -un; head -c 2 "$JOBRUNNER_ZIP"; echo; cat "$JOBRUNNER_DATA/data.txt"
(echo x >> "$JOBRUNNER_ZIP") 2> /dev/null && echo "could write its zip"
echo made > "$JOBRUNNER_DATA/file"
"""
    shell(public_home, script, user=f'"{USER}"')
    public_home.package("p")
    kept = public_home.path.parent / "kept"
    result = public_home.jobrunner("try", "p", "--keep", str(kept))
    assert (result.returncode, result.stdout) == (0, f"{USER}\nPK\n42\n"), result.stderr
    assert "made     file" in result.stderr
    assert (kept / "file").stat().st_uid == 0


@as_root
def test_after_a_crash_the_next_attempt_begins_with_a_folder_of_its_own(public_home: TestHome) -> None:
    home = public_home
    script = """
test $JOBRUNNER_ATTEMPT = 1 || exit 0
cd "$JOBRUNNER_DATA"; mkdir mine; chmod 0 mine; ln -s /etc link
echo $PPID; exec sleep 600
"""
    shell(home, script, user=f'"{USER}"')
    home.package("p")
    home.start("run")
    log = home.logs / "p/1.log"
    wait_until(lambda: log.exists() and log.read_text().strip())
    kill(int(log.read_text()))  # the guard
    wait_until(lambda: outcomes(home)[-1] == "done")
    assert sorted(os.listdir(home.archive / "p")) == [RECEIPT, "data.txt", "p.zip"]


@as_root
def test_a_handler_of_another_user_dies_with_its_guard(public_home: TestHome) -> None:
    shell(public_home, "echo $$ $PPID; exec sleep 600", user=f'"{USER}"')
    public_home.package("p")
    process = public_home.start("run")
    log = public_home.logs / "p/1.log"
    wait_until(lambda: log.exists() and log.read_text().strip())
    handler, guard = map(int, log.read_text().split())
    os.kill(process.pid, 19)  # nobody recovers: what ends it is the kernel
    kill(guard)
    wait_until(lambda: not lives(handler))


def python_for_all(public_path: Path) -> str:
    """Return a Python that the other user can run with our modules, which are copied to the public path."""
    shutil.copytree(Path(__file__).parents[1] / "jobrunner", public_path / "modules/jobrunner")
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        words = ["/bin/sh", "-c", '"$0" -P -c "import jobrunner.process.host"', python]
        environment = {"PYTHONPATH": str(public_path / "modules")}
        if (
            subprocess.run(
                words, user=USER, env=environment, cwd="/", stderr=subprocess.DEVNULL, check=False
            ).returncode
            == 0
        ):
            return python
    pytest.skip(f"no Python 3.11 that {USER} can run is here")


@as_root
def test_a_callable_of_another_user_runs_as_that_user_in_a_process_for_each_package(
    public_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", python_for_all(public_path))
    source = (
        f"{PRELUDE.partition('HOME, NAME')[0]}\ndef process(package): print(os.getuid(), os.getgroups(), os.getpid())"
    )
    (public_path / "analysis.py").write_text(source)
    account = Account.of(USER)
    assert account
    environment = clean_environment() | {"PYTHONPATH": str(public_path / "modules")}
    handler = CallableHandler("analysis:process", public_path, environment, Limits(account=account))
    present = Presence(public_path / "workers").appear()
    guard = Guard(handler, timeout=PATIENCE, present=present, give_up=lambda error: BUG)
    pids = set()
    try:
        for number in (1, 2):
            log = public_path / f"{number}.log"
            package = Package("p", public_path, public_path, number, public_path)
            result = guard.run(Call(package, str(log), str(public_path / "progress")), lambda left: None)
            assert result.outcome is Outcome.DONE, result
            found = re.fullmatch(r"(\d+) (\[.*\]) (\d+)\n", log.read_text())
            assert found
            uid, groups, pid = found.groups()
            assert (int(uid), set(json.loads(groups))) == (account.uid, set(account.groups))
            assert not lives(int(pid))
            pids.add(pid)
    finally:
        guard.close()
        present.leave()
    assert len(pids) == 2


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("no-such-user", "process.user: this machine has no user no-such-user"),
        ("root", "process.user is root: name a user with fewer rights, or remove the line"),
    ],
)
def test_who_cannot_run_a_handler_is_refused_in_one_line(home: TestHome, user: str, said: str) -> None:
    shell(home, "", user=f'"{user}"')
    home.package("p")
    assert complaint(home.jobrunner("run", "--drain")) == f"jobrunner: {said}"
    assert (home.inbox / "p").exists()


@as_root
def test_a_user_who_cannot_reach_the_work_folder_is_refused_in_one_line(public_home: TestHome) -> None:
    shell(public_home, "", user=f'"{USER}"')
    public_home.path.chmod(0o700)
    public_home.package("p")
    assert complaint(public_home.jobrunner("run", "--drain")) == (
        f"jobrunner: process.user is {USER}, who cannot reach {public_home.work}: let others pass through it and each "
        "folder above it (chmod o+x)"
    )


@as_root
def test_only_root_can_name_a_user(public_home: TestHome) -> None:
    checking = f"from jobrunner.process.account import Account\nAccount.of({USER!r})"
    child = os.fork()
    if child == 0:
        os.setuid(12345)
        try:
            exec(checking, {})
        except Exception as error:
            os._exit("only root can start programs as another user" in str(error))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


@as_root
@pytest.mark.parametrize(("setting", "effective"), [("true", "nobody"), ("false", "root")])
def test_without_new_privileges_a_setuid_program_gives_none(
    public_home: TestHome, setting: str, effective: str
) -> None:
    tool = public_home.path / "whoami"
    shutil.copy("/usr/bin/whoami", tool)
    tool.chmod(stat.S_ISUID | 0o755)
    shell(public_home, "./whoami", user=f'"{USER}"', no_new_privileges=setting)
    public_home.package("p")
    run(public_home)
    assert log_of(public_home) == f"{effective}\n"


# Names


@pytest.mark.parametrize(("word", "warns"), [("{package}", True), ("--name={package}", False)])
def test_check_warns_of_a_name_that_could_be_an_option(home: TestHome, word: str, warns: bool) -> None:
    home.configure(f'[process]\ncommand = ["true", "{word}"]\n')
    for words in (("check",), ("check", "--json")):
        result = home.jobrunner(*words)
        assert result.returncode == 0
        assert result.stderr == warns * (
            "jobrunner: process.command has the word {package}: a package named --help would be an option to your "
            "program; write --name={package}, or use $JOBRUNNER_PACKAGE\n"
        )
    assert journal(home.path) == []
