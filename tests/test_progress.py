"""How far packages are: what handlers, of whatever kind and however hostile, say of themselves, and what is shown."""

import os
import pickle
import stat
from pathlib import Path
from typing import Any

import pytest

from jobrunner import Package
from jobrunner.documents.progress import extracted_document, progress_document
from jobrunner.domain.progress import Progress
from jobrunner.process.progress_file import ProgressFile
from jobrunner.words.phrases import progress as in_words
from tests.support import RECEIPT, TestHome, kill, wait_until
from tests.test_surroundings import USER, as_root, public_home, shell

__all__ = ["public_home"]

#: Ends a shell script: it waits until the test opens the gate.
WAIT = "echo said; read line < gate"


def running(home: TestHome) -> dict[str, Any]:
    """The one running package, as the JSON of `status` has it."""
    [entry] = home.status()["running"]
    assert isinstance(entry, dict)
    return entry


def begun(home: TestHome, attempt: int = 1) -> None:
    """Wait until the handler has said so."""
    log = home.logs / "p" / f"{attempt}.log"
    wait_until(lambda: log.exists() and "said" in log.read_text())


def start(home: TestHome, script: str, **process: str) -> None:
    """Have a shell script run on a package until it has said so; it waits then."""
    shell(home, f"{script}\n{WAIT}\n", **process)
    gate(home)
    home.package("p")
    home.start("run")
    begun(home)


def gate(home: TestHome) -> None:
    os.mkfifo(home.path / "gate")
    (home.path / "gate").chmod(0o644)


def open_gate(home: TestHome) -> None:
    (home.path / "gate").write_text("\n")


def test_what_a_command_says_is_in_status_list_and_show_while_it_runs(home: TestHome) -> None:
    start(home, 'echo "40/100 aligning" > "$JOBRUNNER_PROGRESS"')
    told = {"done": 40, "total": 100, "unit": None, "text": "aligning"}
    assert running(home)["progress"] == told
    assert running(home)["extracted"] is None
    assert "aligning, 40%" in home.jobrunner("status").stdout
    [listed] = home.asked("list", "--json")["jobs"]
    assert listed["progress"] == told
    assert "aligning, 40%" in home.jobrunner("list").stdout
    assert (home.show("p")["step"], home.show("p")["progress"]) == ("handler", told)
    assert "step       handler: aligning, 40%" in home.jobrunner("show", "p").stdout
    open_gate(home)
    wait_until((home.archive / "p").exists)
    assert sorted(os.listdir(home.archive / "p")) == [RECEIPT, "data.txt", "p.zip"]
    wait_until(lambda: home.counts()["done"] == 1)
    wait_until(lambda: sorted(os.listdir(home.work)) == [".home", ".workers"])
    [listed] = home.asked("list", "--json")["jobs"]
    assert listed["progress"] is None
    assert (home.show("p")["step"], home.show("p")["progress"]) == (None, None)
    assert "step" not in home.jobrunner("show", "p").stdout


@as_root
def test_what_a_command_of_another_user_says_is_shown(public_home: TestHome) -> None:
    start(public_home, 'echo "3/4 by $(id -un)" > "$JOBRUNNER_PROGRESS"', user=f'"{USER}"')
    assert running(public_home)["progress"] == {"done": 3, "total": 4, "unit": None, "text": f"by {USER}"}
    open_gate(public_home)
    wait_until((public_home.archive / "p").exists)
    wait_until(lambda: sorted(os.listdir(public_home.work)) == [".home", ".workers"])


@as_root
def test_another_user_can_make_nothing_else_of_it(public_home: TestHome) -> None:
    script = 'cd "$(dirname "$JOBRUNNER_PROGRESS")"; ! rm -f "$JOBRUNNER_PROGRESS" && ! ln -s /etc/passwd x && cd - && '
    start(public_home, f'{script} echo 1/2 > "$JOBRUNNER_PROGRESS"', user=f'"{USER}"')
    assert running(public_home)["progress"]["total"] == 2
    open_gate(public_home)


@pytest.mark.parametrize(
    "script",
    [
        'echo "1/2 secret" > secret; ln -s "$PWD/secret" "$JOBRUNNER_PROGRESS"',
        'mkfifo "$JOBRUNNER_PROGRESS"',
        'mkdir "$JOBRUNNER_PROGRESS"',
        'truncate -s 1G "$JOBRUNNER_PROGRESS"',
        'head -c 100000 /dev/urandom | tr "[0-9]" "[a-j]" > "$JOBRUNNER_PROGRESS"',
        'echo "40/100" > "$JOBRUNNER_PROGRESS"; chmod 0 "$JOBRUNNER_PROGRESS"; echo none > "$JOBRUNNER_PROGRESS"',
        'echo "half of it" > "$JOBRUNNER_PROGRESS"',
    ],
    ids=["link", "fifo", "folder", "huge", "binary", "words", "nonsense"],
)
def test_what_is_no_progress_is_none_and_holds_up_nothing(home: TestHome, script: str) -> None:
    start(home, script)
    assert running(home)["progress"] is None
    assert home.jobrunner("status").returncode == 0
    open_gate(home)
    wait_until(lambda: home.counts()["done"] == 1)
    wait_until(lambda: sorted(os.listdir(home.work)) == [".home", ".workers"])


def test_what_steers_a_terminal_is_escaped(home: TestHome) -> None:
    start(home, r'printf "1/2 \033[2Jgone\033]0;title\007" > "$JOBRUNNER_PROGRESS"')
    shown = home.jobrunner("status").stdout
    assert r"\x1b[2Jgone\x1b]0;title\x07, 50%" in shown
    assert "\x1b" not in shown
    open_gate(home)


def test_what_an_earlier_attempt_said_is_not_shown_of_a_later_one(home: TestHome) -> None:
    start(home, 'test $JOBRUNNER_ATTEMPT = 2 || echo "99/100 first" > "$JOBRUNNER_PROGRESS"')
    first = running(home)
    assert first["progress"]["text"] == "first"
    kill(first["worker_pid"])
    begun(home, attempt=2)
    assert (running(home)["attempt"], running(home)["progress"]) == (2, None)
    open_gate(home)


CALLABLE = """
import os
def process(package):
    package.progress(1, 4, "begins")
    for number in range(200_000):
        package.progress(number, 200_000, "counts")
    package.progress(number + 1, 200_000, "counts")
    print("said", flush=True)
    open("gate").read()
"""


def callable_home(home: TestHome, source: str) -> None:
    (home.path / "analysis.py").write_text(source)
    home.configure('[process]\ncallable = "analysis:process"\n')
    gate(home)
    home.package("p")


def test_what_a_callable_says_last_is_shown_while_it_goes_on(home: TestHome) -> None:
    callable_home(home, CALLABLE)
    home.start("run")
    begun(home)
    assert running(home)["progress"] == {"done": 200_000, "total": 200_000, "unit": None, "text": "counts"}
    open_gate(home)
    wait_until(lambda: home.counts()["done"] == 1)


def test_processes_of_a_callable_say_it_too(home: TestHome) -> None:
    callable_home(
        home,
        """
import multiprocessing
def work(package):
    package.progress(2, 3, f"in {package.name}")
def process(package):
    package.progress(1, 3)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.map(work, [package])
    print("said", flush=True)
    open("gate").read()
""",
    )
    home.start("run")
    begun(home)
    assert running(home)["progress"]["text"] == "in p"
    open_gate(home)


@pytest.mark.parametrize(
    "said", ["'x', object()", "float('nan'), float('inf')", "1, 2, None", "-1", "1, 0", "10 ** 400", "1, 2, '\\udcff'"]
)
def test_a_callable_that_says_nonsense_succeeds_all_the_same(home: TestHome, said: str) -> None:
    (home.path / "analysis.py").write_text(f"def process(package): package.progress({said})")
    home.configure('[process]\ncallable = "analysis:process"\n')
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    assert sorted(os.listdir(home.archive / "p")) == [RECEIPT, "data.txt", "p.zip"]


def test_an_extraction_is_told_in_bytes_and_a_handlers_words_are_none() -> None:
    ours, theirs = Progress(5, 20, "extracting", is_bytes=True), Progress(5, 20.5, "extracting")
    assert extracted_document(ours) == {"bytes": 5, "of": 20}
    assert progress_document(ours) == {"done": 5, "total": 20, "unit": "bytes", "text": "extracting"}
    assert extracted_document(theirs) is extracted_document(None) is progress_document(None) is None
    assert progress_document(theirs) == {"done": 5, "total": 20.5, "unit": None, "text": "extracting"}


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(40, 100, "aligning"), "aligning, 40%"),
        (Progress(1, 3, ""), "33%"),
        (Progress(12345.5, None, "reads"), "reads, 12,345.5"),
        (Progress(7, None, ""), "7"),
    ],
)
def test_a_progress_in_words(progress: Progress, words: str) -> None:
    assert in_words(progress) == words


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "progress"


def test_a_change_that_shows_is_written_at_once_and_others_are_not(file: Path) -> None:
    progress = ProgressFile(str(file))
    written: list[bytes] = []
    for done in range(100_000):
        progress.tell(done, 100_000, "counts")
        now = file.read_bytes() if file.exists() else b""
        if written[-1:] != [now]:
            written.append(now)
            assert abs(float(now.split(b"/")[0]) - done) < 1000
    assert 100 <= len(written) <= 100 + 400  # one per cent, or a quarter of a second, and this takes no 100 seconds


@pytest.mark.parametrize("path", ["missing/folder", "folder", "link"])
def test_a_file_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    ProgressFile(str(tmp_path / path)).tell(1, 2, "")
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_is_no_reason_to_fail(file: Path) -> None:
    os.symlink("/dev/full", file)  # not followed
    ProgressFile(str(file)).tell(1, 2, "")
    ProgressFile("/dev/full").tell(1, 2, "")


def test_a_package_can_be_pickled_and_one_of_your_own_says_nothing(file: Path) -> None:
    package = Package("p", file.parent, file, 1, file.parent)
    package.progress(1, 2, "nowhere")
    reporting = Package.of(package, str(file))
    reporting.progress(1, 4)
    again = pickle.loads(pickle.dumps(reporting))
    again.progress(2, 4)
    assert again == reporting == package
    assert file.read_bytes().split() == [b"2/4"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again._replace(name="q").progress(3, 4)
    assert file.read_bytes().split() == [b"2/4"]
