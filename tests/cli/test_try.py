"""`jobrunner try`: the handler on one package, outside the queue."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_main import on_a_terminal
from tests.messages import complaint
from tests.support import BROKEN_ZIP, TestHome, children_of, kill, processes_of, wait_until

#: Does what the file `plan.py` in the home says.
PLANNED = "import os, sys\ndata = sys.argv[1]\nhome = os.environ['JOBRUNNER_HOME']\nexec(open('plan.py').read())\n"
WAITS = """
import subprocess, time
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
print("waiting", flush=True)
time.sleep(1000)
"""
AT_REST = [".home", ".workers"]


def plan(home: TestHome, source: str) -> None:
    (home.path / "plan.py").write_text(source)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestHome]:
    """A home whose handler is planned; p is in its inbox, done in its archive, bad in failed."""
    home = TestHome(tmp_path_factory.mktemp("bench") / "home")
    home.handler(PLANNED)
    plan(home, "print('tried'); os.getenv('JOBRUNNER_PACKAGE') == 'bad' and sys.exit(65)")
    home.package("done", beside={"notes.txt": b"the sender's"})
    home.package("bad", beside={"notes.txt": b"the sender's"})
    home.jobrunner("run", "--drain")
    home.package("p", {"data.txt": "42\n", "old.txt": "1\n"}, {"notes.txt": b"the sender's"})
    yield home
    home.end_all()


def left(home: TestHome) -> dict[str, bytes]:
    """All files of the home but what belongs to the database, and to the handler."""
    paths = (path for path in home.path.rglob("*") if path.is_file())
    kept = {str(path.relative_to(home.path)): path.read_bytes() for path in paths if "jobrunner.db" not in path.name}
    return {name: content for name, content in kept.items() if name not in {"plan.py", "seen.json"}}


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        ("", 0, "exit status 0 .*: it would be done and archived"),
        ("sys.exit(75)", 1, r"\(exit status 75\) .*: it would be tried again in 10 s, and no attempt would be used up"),
        ("sys.exit('no sensor 7')", 1, "status 1: no sensor 7 .*: it would be tried again in 10 s, 2 attempts left"),
        ("sys.exit(65)", 1, r"\(exit status 65\) .*: it would fail at once"),
        ("os.unlink(os.environ['JOBRUNNER_ZIP'])", 1, "the handler removed p.zip.*: it would fail at once"),
        ("open(data + '/notes.txt', 'w')", 1, "the handler wrote notes.txt, which the sender has delivered, too"),
        ("open(os.environ['JOBRUNNER_ZIP'], 'w')", 0, "it would be done"),
    ],
)
def test_a_try_says_what_would_have_happened_and_changes_nothing(
    bench: TestHome, source: str, code: int, said: str
) -> None:
    bench.handler(PLANNED, retry='backoff = "10s"')
    plan(bench, source)
    before, counts = left(bench), bench.counts()
    result = bench.jobrunner("try", "p")
    assert result.returncode == code
    assert re.search(said, result.stderr.splitlines()[-1]), result.stderr
    assert (left(bench), bench.counts()) == (before, counts)
    assert sorted(os.listdir(bench.work)) == AT_REST
    assert os.listdir(bench.work / ".workers") == []


def test_what_the_handler_prints_is_all_of_stdout_and_what_it_changes_is_told(bench: TestHome) -> None:
    plan(
        bench,
        "os.write(1, b'\\xff\\0 100%\\n'); os.unlink(data + '/old.txt'); open(data + '/data.txt', 'a').write('x')\n"
        "for number in range(25): open(f'{data}/{number:02}.out', 'w')\nprint('the end')",
    )
    result = bench.jobrunner("try", "p")
    assert result.stdout.encode("utf-8", "surrogateescape") == b"\xff\0 100%\nthe end\n"
    first, *told, verdict = result.stderr.splitlines()
    assert first == f"{bench.inbox / 'p'}, as attempt 1 at p"
    assert told[:2] == ["made     00.out", "made     01.out"]
    assert told[20:] == ["made     … and 5 more", "changed  data.txt", "removed  old.txt"]
    assert verdict.startswith("exit status 0")


def test_on_a_terminal_nothing_that_it_prints_steers_that(bench: TestHome) -> None:
    plan(bench, "print('\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07')")
    assert "red \\x1b]0;title\\x07" in on_a_terminal(bench, "try", "p", NO_COLOR="1")


def test_a_worker_gives_the_same_environment_and_env_shows_it(home: TestHome) -> None:
    home.handler(
        "import json, os, sys, resource\n"
        "seen = [dict(os.environ), os.getcwd(), os.getsid(0) == os.getpid(), sys.argv,\n"
        " resource.getrlimit(resource.RLIMIT_NOFILE), os.umask(0), os.nice(0)]\n"
        "open('seen.json', 'w').write(json.dumps(seen))",
        max_open_files="100",
        nice="3",
        environment='{ COLOUR = "blue\\nor red", LANG = false }',
    )

    def seen() -> object:
        text = (home.path / "seen.json").read_text()
        return json.loads(re.sub(r"work/(\.try-[0-9a-f]+|1-1)/", "work/HERE/", text))

    home.package("p")
    assert home.jobrunner("try", "p").returncode == 0
    tried = seen()
    shown = home.jobrunner("try", "p", "--env").stdout.splitlines()
    home.jobrunner("run", "--drain")
    worked = seen()
    assert isinstance(tried, list)
    assert isinstance(worked, list)
    assert tried[0].pop("JOBRUNNER_WORKER").startswith("try-")
    assert worked[0].pop("JOBRUNNER_WORKER")
    assert tried == worked
    environment = dict(line.split("=", 1) for line in shown)
    assert environment["COLOUR"] == r"blue\nor red"
    assert environment["JOBRUNNER_DATA"] == f"{home.work}/.try-TOKEN/data-1"
    assert environment.keys() - tried[0].keys() == {"JOBRUNNER_WORKER"}


def test_a_done_package_is_tried_from_its_zip_and_a_failed_one_without_our_file(bench: TestHome) -> None:
    plan(
        bench,
        "print(*sorted(os.listdir(data)), '|', *sorted(os.listdir(os.path.dirname(os.environ['JOBRUNNER_ZIP']))))",
    )
    assert bench.jobrunner("try", "done").stdout == "data.txt | done.zip\n"
    assert bench.jobrunner("try", "bad").stdout == "data.txt | bad.zip notes.txt\n"
    assert ", as attempt 2 at bad" in bench.jobrunner("try", str(bench.failed / "bad")).stderr


def test_a_zip_anywhere_is_tried_and_its_data_kept(bench: TestHome, tmp_path: Path) -> None:
    plan(bench, "open(data + '/out.txt', 'w').write('result')")
    bench.package("elsewhere", folder=tmp_path)
    kept = tmp_path / "kept"
    result = bench.jobrunner("try", str(tmp_path / "elsewhere" / "elsewhere.zip"), "--keep", "kept", cwd=tmp_path)
    assert result.returncode == 0
    assert sorted(os.listdir(kept)) == ["data.txt", "out.txt"]
    assert f"the data folder is in {kept}" in result.stderr
    again = bench.jobrunner("try", "elsewhere", "--keep", "kept", cwd=tmp_path)
    assert complaint(again, 1) == f"jobrunner: {kept} is there already: name a folder that is not, or an empty one"


def test_links_lead_a_try_nowhere(bench: TestHome, tmp_path: Path) -> None:
    os.symlink(bench.inbox / "p", tmp_path / "linked")
    said = bench.jobrunner("try", str(tmp_path / "linked")).stderr
    assert "its folder is a symbolic link: name the folder itself: it would fail at once" in said
    plan(bench, "import shutil; shutil.rmtree(data); os.symlink('/proc', data)")
    result = bench.jobrunner("try", "p", "--keep", str(tmp_path / "kept"))
    assert "the handler removed its data folder" in result.stderr
    assert not (tmp_path / "kept").exists()


def test_a_bad_zip_would_fail_and_no_handler_sees_it(home: TestHome) -> None:
    home.handler("print('ran')")
    home.package("p", beside={"p.zip": BROKEN_ZIP})
    result = home.jobrunner("try", "p")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.endswith("it would fail at once\n")


def test_under_keep_free_a_try_is_put_off_as_an_attempt_is(home: TestHome) -> None:
    home.handler("print('ran')")
    home.package("p")
    result = home.jobrunner("try", "p", environment={"JOBRUNNER_EXTRACT_KEEP_FREE": "1000000 TiB"})
    assert (result.returncode, result.stdout) == (1, "")
    assert "extract.keep_free" in result.stderr
    assert result.stderr.endswith("it would be tried again in 1.0 s, and no attempt would be used up\n")


def test_a_callable_is_tried_and_without_a_handler_the_zip_is(home: TestHome) -> None:
    home.package("p")
    assert "no handler is configured: it would be done" in home.jobrunner("try", "p").stderr
    (home.path / "analysis.py").write_text("def process(package):\n    print(package.name, package.attempt)\n")
    home.configure('[process]\ncallable = "analysis:process"\n')
    result = home.jobrunner("try", "p")
    assert (result.returncode, result.stdout) == (0, "p 1\n")
    assert "the callable returned" in result.stderr


@pytest.fixture
def trying(home: TestHome) -> tuple[TestHome, subprocess.Popen[str]]:
    """A try whose handler waits, and has started something that waits, too."""
    home.handler(PLANNED)
    plan(home, WAITS)
    home.package("p")
    process = home.start("try", "p", stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    return home, process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_try_that_is_stopped_leaves_nothing(
    trying: tuple[TestHome, subprocess.Popen[str]], number: signal.Signals
) -> None:
    home, process = trying
    process.send_signal(number)
    assert process.wait() == 128 + number
    assert processes_of(home) == []
    assert sorted(os.listdir(home.work)) == AT_REST
    assert os.listdir(home.work / ".workers") == []


def test_a_living_try_is_no_difference_and_a_killed_one_is_repaired(
    trying: tuple[TestHome, subprocess.Popen[str]],
) -> None:
    home, process = trying
    assert home.jobrunner("check", "--repair").returncode == 0
    assert home.jobrunner("run", "--help").returncode == 0
    (place,) = home.work.glob(".try-*")
    kill(process.pid)
    wait_until(lambda: not processes_of(home))
    differences = home.jobrunner("check", "--json")
    found = {(each["kind"], each["path"]) for each in json.loads(differences.stdout)["differences"]}
    lock = home.work / ".workers" / place.name.removeprefix(".")
    assert found == {("leftover-in-work", str(place)), ("leftover-lock", str(lock))}
    assert home.jobrunner("check", "--repair").returncode == 0
    assert sorted(os.listdir(home.work)) == AT_REST
    assert os.listdir(home.work / ".workers") == []


@pytest.mark.parametrize("words", [("run", "--drain"), ("try", "p")], ids=" ".join)
def test_of_a_try_and_its_guard_that_are_killed_the_next_start_leaves_nothing(
    trying: tuple[TestHome, subprocess.Popen[str]], words: tuple[str, ...]
) -> None:
    home, process = trying
    (guard,) = children_of(process.pid)
    os.kill(process.pid, signal.SIGSTOP)  # or it would end what its guard has left
    kill(guard)
    kill(process.pid)
    process.wait()
    plan(home, "")
    assert home.jobrunner(*words).returncode == 0
    assert processes_of(home) == []
    assert sorted(os.listdir(home.work)) == AT_REST


def test_a_try_beside_a_run_takes_nothing_from_it(home: TestHome) -> None:
    home.handler(PLANNED)
    plan(home, "open(home + '/begun', 'w'); open(home + '/gate').read()")
    os.mkfifo(home.path / "gate")
    home.package("p")
    runner = home.start("run")
    wait_until((home.path / "begun").exists)
    refused = home.jobrunner("try", "p")
    assert "p is in work/, where a worker has it or will go on with it" in complaint(refused, 1)
    plan(home, "")
    (zip_path,) = home.work.glob("1-1/package/p.zip")
    assert home.jobrunner("try", str(zip_path)).returncode == 0
    (home.path / "gate").write_text("go")
    wait_until(lambda: home.counts()["done"])
    runner.terminate()


def test_what_is_not_there_is_said(bench: TestHome) -> None:
    assert complaint(bench.jobrunner("try", "nothing"), 1) == (
        "jobrunner: there is no package, folder or zip named nothing: jobrunner explain nothing looks for it"
    )
