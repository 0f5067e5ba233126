"""`jobrunner explain`: each kind of answer, on a home that commands, senders and crashes brought into that state."""

import json
import os
import shutil
import subprocess
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobrunner.documents.explanation import explanation_document
from jobrunner.domain.explanation import Kind
from jobrunner.domain.filters import Standing
from jobrunner.domain.lack import Lack
from jobrunner.linux.proc import BOOT_ID
from jobrunner.words.answers import Answer, answer_of
from tests.cli.test_main import on_a_terminal
from tests.crash_driver import Kill
from tests.crash_table.scene import Scene
from tests.messages import complaint, tree
from tests.scripts import PRELUDE
from tests.support import BROKEN_ZIP, TestHome, children_of, kill, processes_of, wait_until

#: A handler that ends as its package is named; what is called slow waits for HOME/go.
AS_NAMED = (
    PRELUDE
    + """
if NAME.startswith("slow"):
    note("start")
    wait_for("go")
print("cannot calibrate sensor 7", file=sys.stderr)
sys.exit({"bad": 65, "later": 75, "weak": 1}.get(NAME.split("-")[0], 0))
"""
)


def asked(home: TestHome, text: str) -> tuple[dict[str, Any], Answer]:
    """Return the answer for programs and the one in words."""
    explanation = home.explain(text)
    return explanation_document(explanation), answer_of(explanation)


def kind_of(home: TestHome, text: str) -> str:
    return home.explain(text).kind.value


def commands(answer: Answer) -> list[str]:
    return [command for _, command in answer.to_do if command]


def deliver_as(home: TestHome, name: str, *zip_names: str) -> Path:
    """Deliver a package whose zip is called otherwise; of several names, there are as many zips."""
    package = home.package(name)
    for zip_name in zip_names:
        shutil.copy(package / f"{name}.zip", package / f"{zip_name}.tmp")
    (package / f"{name}.zip").unlink()
    for zip_name in zip_names:
        (package / f"{zip_name}.tmp").rename(package / zip_name)
    return package


def loose_zip(home: TestHome, name: str) -> None:
    home.package(name).joinpath(f"{name}.zip").rename(home.inbox / f"{name}.zip")
    (home.inbox / name).rmdir()


def loose_zip_beside(home: TestHome, name: str) -> None:
    home.package(name).joinpath(f"{name}.zip").rename(home.inbox / f"{name}.zip")


def partial_file(home: TestHome, name: str) -> None:
    home.package(name, beside={"more-downloading": b""})


#: How a delivery named p comes about, what of it is asked for, its kind, and what is said of it.
DELIVERIES: dict[str, tuple[Callable[[TestHome], object], str, Kind | Lack, str]] = {
    "complete": (lambda home: home.package("p"), "p", Kind.UNSCANNED, "p is complete in the inbox"),
    "NAME.ZIP": (lambda home: deliver_as(home, "p", "p.ZIP"), "p", Kind.UNSCANNED, "p is complete in the inbox"),
    "receiving": (
        lambda home: home.package("p").rename(home.inbox / "p-downloading"),
        "p-downloading",
        Lack.RECEIVING,
        "p-downloading is still being received.",
    ),
    "receiving, by its final name": (
        lambda home: home.package("p").rename(home.inbox / "p-downloading"),
        "p",
        Lack.RECEIVING,
        "p-downloading is still being received.",
    ),
    "a file of it is being received": (
        lambda home: partial_file(home, "p"),
        "p",
        Lack.RECEIVING,
        "p is still being received: more-downloading is in it.",
    ),
    "empty": (
        lambda home: (home.inbox / "p").mkdir(),
        "p",
        Lack.NO_ZIP,
        "p waits in the inbox: its zip is not there: its folder is empty.",
    ),
    "something else is there": (
        lambda home: deliver_as(home, "p", "notes.txt"),
        "p",
        Lack.NO_ZIP,
        "p waits in the inbox: its zip is not there: only notes.txt.",
    ),
    "its zip lies beside it": (
        lambda home: loose_zip_beside(home, "p"),
        "p",
        Lack.NO_ZIP,
        "p waits in the inbox: its zip is not there: its folder is empty.",
    ),
    "a zip of another name": (
        lambda home: deliver_as(home, "p", "other.zip"),
        "p",
        Lack.OTHER_ZIP,
        "p waits in the inbox: its zip is not there: other.zip is not named like the folder",
    ),
    "two zips of other names": (
        lambda home: deliver_as(home, "p", "one.zip", "two.zip"),
        "p",
        Lack.OTHER_ZIP,
        "p waits in the inbox: its zip is not there: one.zip, two.zip are not named like the folder.",
    ),
    "two zips": (
        lambda home: deliver_as(home, "p", "P.zip", "p.ZIP"),
        "p",
        Lack.SEVERAL_ZIPS,
        "p waits in the inbox: it is unclear which of its zips counts: P.zip, p.ZIP.",
    ),
    "a zip outside of a folder": (
        lambda home: loose_zip(home, "p"),
        "p",
        Lack.NO_FOLDER,
        "p.zip lies in the inbox outside of a folder.",
    ),
    "a file": (
        lambda home: (home.inbox / "p").write_text(""),
        "p",
        Lack.NO_FOLDER,
        "p in the inbox is not a folder: a package is a folder NAME with NAME.zip in it.",
    ),
    "a name that is too long": (
        lambda home: (home.inbox / ("p" * 255)).mkdir(),
        "p" * 255,
        Lack.LONG_NAME,
        f"{'p' * 255} waits in the inbox: its name has over 251 bytes",
    ),
    "hidden": (
        lambda home: home.package("p").rename(home.inbox / ".p"),
        ".p",
        Kind.HIDDEN,
        ".p is no delivery: what begins with a dot is left alone.",
    ),
    "copied": (
        lambda home: home.package("p").rename(home.inbox / ".jobrunner-taken-1-0"),
        ".jobrunner-taken-1-0",
        Kind.COPIED,
        ".jobrunner-taken-1-0 is a sender's folder that was copied: jobrunner removes it",
    ),
    "junk": (
        lambda home: (home.inbox / "@eaDir").mkdir(),
        "@eaDir",
        Kind.JUNK,
        "@eaDir is no delivery: systems leave this name everywhere.",
    ),
}


@pytest.mark.parametrize("case", DELIVERIES)
def test_of_each_delivery_is_said_what_it_lacks(home: TestHome, case: str) -> None:
    deliver, name, kind, words = DELIVERIES[case]
    deliver(home)
    before = tree(home.inbox)
    document, answer = asked(home, name)
    assert document["kind"] == kind.value
    assert answer.headline.startswith(words), answer
    assert document["path"] == str(home.inbox / document["name"])
    assert tree(home.inbox) == before


@pytest.mark.parametrize(
    "case",
    [
        "receiving",
        "its zip lies beside it",
        "a zip of another name",
        "a zip outside of a folder",
        "hidden",
    ],
)
@pytest.mark.parametrize("strange", [False, True], ids=["plain name", "strange name"])
def test_what_it_says_to_do_completes_the_delivery(home: TestHome, case: str, strange: bool) -> None:
    DELIVERIES[case][0](home)
    name = DELIVERIES[case][1]
    if strange:  # what has to be quoted in a shell, and what cannot be printed
        odd = "-a 'b'\n$(c)\\" + os.fsdecode(b"\xff")
        for path in sorted(home.inbox.rglob("*p*"), reverse=True):
            if path.name != "other.zip":
                path.rename(path.with_name(path.name.replace("p", odd, 1)))
        name = name.replace("p", odd, 1)
    (command,) = commands(asked(home, name)[1])
    subprocess.run(["bash", "-c", command], cwd=Path.cwd(), check=True)
    assert kind_of(home, odd if strange else "p") == Kind.UNSCANNED


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("p", "."),
        ("p/", "."),
        ("inbox/p", "home"),
        ("inbox/p/", "."),
        ("./p", "home/inbox"),
        ("../inbox/p/p.zip", "home/work"),
        ("HOME/inbox/p/p.zip", "/"),
        ("p.zip", "."),
        ("p.ZIP", "."),
        ("p-downloading", "."),
        ("archive/p/p.zip", "home"),
        ("/elsewhere/on/the/sender/p", "."),
    ],
)
def test_a_path_or_another_form_of_the_name_is_understood(
    home: TestHome, text: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.package("p")
    home.work.mkdir()
    monkeypatch.chdir(where)
    assert home.explain(text.replace("HOME", str(home.path))).name == "p"


@pytest.mark.parametrize("text", ["", "/", ".", "..", "a/..", "x\0y", r"x\x00y", "n" * 300, "\\", "-x", "*", "\udcff"])
def test_what_cannot_be_a_name_is_unknown(home: TestHome, text: str) -> None:
    home.package("p")
    assert kind_of(home, text) == Kind.UNKNOWN


def test_another_suffix_that_is_set_is_understood(home: TestHome) -> None:
    home.configure('[intake]\nincomplete_suffix = ["-part", "*.tmp", "x?y"]\n')
    home.package("p").rename(home.inbox / "p.tmp")
    document, answer = asked(home, "p")
    assert (document["kind"], document["name"], document["becomes"]) == ("receiving", "p.tmp", "p")
    assert commands(answer) == ["mv -T home/inbox/p.tmp home/inbox/p"]


def test_what_settles_says_how_long_it_has_been_still(home: TestHome) -> None:
    home.configure('[intake]\nsettle = "1h"\n')
    home.package("p")
    document, answer = asked(home, "p")
    assert document["kind"] == "settling"
    assert document["settle_seconds"] == 3600
    assert 0 <= document["unchanged_seconds"] < 600
    assert answer.headline.startswith("p is settling: unchanged for ")
    assert answer.headline.endswith(" of 3600 s.")


def test_a_zip_that_may_still_grow_is_waited_for(home: TestHome) -> None:
    home.configure('[intake]\nbroken_after = "1h"\n')
    home.package("p", beside={"p.zip": b"PK\3\4 and no end"})
    document, answer = asked(home, "p")
    assert (document["kind"], document["settle_seconds"]) == ("zip-unfinished", 3600)
    assert "its rest may come" in answer.headline


def test_a_marker_that_is_missing_is_named(home: TestHome) -> None:
    home.configure('[intake]\ncomplete_when = "marker"\nmarker = "Done.txt"\n')
    home.package("p")
    document, answer = asked(home, "p")
    assert document["kind"] == "marker-missing"
    assert answer.headline == "p waits in the inbox: its marker is not there yet: Done.txt."


def test_the_last_change_of_what_may_have_stopped_is_said(home: TestHome) -> None:
    home.package("p").rename(home.inbox / "p-downloading")
    changed = (home.inbox / "p-downloading").stat().st_ctime
    document, answer = asked(home, "p")
    assert document["changed_at"] is not None
    shown = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(changed))
    assert f"It changed last {shown}" in " ".join(answer.why)


def test_what_is_set_to_be_ignored_is_said_to_be_so(home: TestHome) -> None:
    home.configure('[intake]\nignore = ["*.tmp"]\n')
    home.package("p.tmp")
    assert kind_of(home, "p.tmp") == "ignored"
    assert "intake.ignore" in asked(home, "p.tmp")[1].headline


def test_a_package_that_was_refused_is_so_until_it_changes(home: TestHome) -> None:
    home.configure("[extract]\nmax_entries = 2\n")
    package = home.package("p", beside={f"{number}": b"" for number in range(5)})
    assert home.jobrunner("run", "--drain").returncode == 1
    document, answer = asked(home, "p")
    assert (document["kind"], document["job"]["kind"]) == ("refused", "failed")
    assert "extract.max_entries (2)" in " ".join(answer.why)
    assert commands(answer) == ["jobrunner retry p"]
    for number in range(5):
        (package / f"{number}").unlink()
    document, answer = asked(home, "p")
    assert (document["kind"], document["job"]["kind"]) == ("unscanned", "failed")
    assert "replace" in " ".join(answer.why)


def test_a_complete_delivery_says_who_will_scan_it(home: TestHome) -> None:
    home.package("p")
    document, answer = asked(home, "p")
    assert (document["at_work"]["workers"], commands(answer)) == (0, ["jobrunner run -n 3"])
    home.start("work", "-n", "2")
    wait_until(lambda: home.explain("p").at_work.workers == 2)  # type: ignore[union-attr]
    assert commands(asked(home, "p")[1]) == ["jobrunner scan"]


@pytest.fixture
def busy(home: TestHome) -> TestHome:
    """A home with a job in every state, and one worker."""
    home.handler(AS_NAMED, retry='backoff = "1h"')
    for name in ("bad", "later", "weak", "done"):
        home.package(name)
    home.jobrunner("scan")
    home.package("slow")
    home.start("run", "-n", "1")
    wait_until((home.logs / "slow" / "1.log").exists)
    for name in ("next", "stopped", "second", "third"):
        home.package(name)
        assert home.jobrunner("scan").returncode == 0
    assert home.jobrunner("cancel", "stopped").returncode == 0
    return home


def test_of_each_job_is_said_where_it_stands_and_why(busy: TestHome) -> None:
    document, answer = asked(busy, "done")
    assert (document["kind"], document["path"]) == ("done", str(busy.archive / "done"))
    assert answer.headline.startswith("done was done at 20")
    assert "It lies in home/archive/done." in answer.why
    assert not answer.to_do

    document, answer = asked(busy, "bad")
    assert (document["kind"], document["verdict"]) == ("failed", "rejected")
    assert answer.why == [document["error"], "It lies in home/failed/bad."]
    assert document["error"].endswith("(exit status 65): cannot calibrate sensor 7")
    assert commands(answer) == ["jobrunner logs bad", "jobrunner retry bad"]
    assert document["log_path"] == str(busy.logs / "bad" / "1.log")

    document, answer = asked(busy, "stopped")
    assert document["kind"] == "cancelled"
    assert answer.headline.startswith("stopped was cancelled at 20")
    assert commands(answer) == ["jobrunner retry stopped"]

    document, answer = asked(busy, "weak")
    assert (document["kind"], document["failures"], document["max_attempts"]) == ("waiting", 1, 3)
    assert answer.headline.startswith("weak waits for its next try, in ")
    assert answer.why[:2] == [
        "exit status 1: cannot calibrate sensor 7",
        "That was failure 1 of 3; at the last one it fails for good.",
    ]
    assert answer.why[-1] == "1 worker is at work."
    assert commands(answer) == ["jobrunner logs weak"]

    document, answer = asked(busy, "later")
    assert (document["kind"], document["failures"]) == ("waiting", 0)
    assert "That does not count" in answer.why[1]

    document, answer = asked(busy, "slow")
    worker = document["running"]["worker_pid"]
    assert (document["kind"], document["running"]["step"]) == ("running", "handler")
    assert worker in children_of(busy.started[0].pid)
    assert answer.headline == "slow is running: the handler works on it."
    assert answer.why[0].startswith(f"It is attempt 1, by worker {worker}, for ")
    assert commands(answer) == ["jobrunner logs -f slow"]

    assert [asked(busy, name)[0]["ahead"] for name in ("next", "second", "third")] == [0, 1, 2]
    assert asked(busy, "next")[1].headline == "next is queued, and the next one."
    document, answer = asked(busy, "third")
    assert (document["kind"], document["at_work"]) == ("queued", {"workers": 1, "troubles": [], "paused": None})
    assert answer.headline == "third is queued, behind 2 others."


def test_what_a_dead_tree_left_is_not_said_to_be_running(busy: TestHome) -> None:
    kill(busy.started[0].pid)
    wait_until(lambda: not processes_of(busy))
    document, answer = asked(busy, "slow")
    assert (document["kind"], document["at_work"]["workers"]) == ("worker-dead", 0)
    assert answer.headline == "slow was running when its worker died, and is to be queued again."
    assert commands(answer) == ["jobrunner run -n 3"]
    document, answer = asked(busy, "third")
    assert (document["kind"], document["ahead"]) == ("no-worker", 2)
    assert answer.headline == "third is queued, but no worker is running."
    assert answer.why[0].endswith(", behind 2 others.")
    assert commands(answer) == ["jobrunner run -n 3"]
    assert commands(asked(busy, "weak")[1]) == ["jobrunner run -n 3", "jobrunner logs weak"]


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [("done", "done", "was done"), ("slow", "running", "is running"), ("weak", "waiting", "waits")],
)
def test_a_duplicate_is_held_and_says_of_what(busy: TestHome, name: str, kind: str, words: str) -> None:
    package = busy.package(name)
    document, answer = asked(busy, name)
    assert (document["kind"], document["job"]["kind"]) == ("duplicate", kind)
    assert answer.headline == f"{name} lies in the inbox once more, and is held there: a name is processed once."
    assert answer.why[0].startswith(f"{name} {words}")
    assert kind_of(busy, str(package / f"{name}.zip")) == "duplicate"
    *others, command = commands(answer)
    assert others == ([f"jobrunner explain --compare {name}", f"jobrunner accept {name}"] if kind == "done" else [])
    subprocess.run(["bash", "-c", command], check=True)
    assert kind_of(busy, name) == kind
    assert kind_of(busy, f"{name}-2") in {"unscanned", "queued"}


def test_what_is_being_received_under_a_known_name_says_what_becomes_of_it(home: TestHome) -> None:
    home.package("good")
    home.package("bad", beside={"bad.zip": BROKEN_ZIP})
    assert home.jobrunner("run", "--drain").returncode == 1
    for name, kind, words in (("good", "done", "is going to be held"), ("bad", "failed", "is to replace")):
        home.package(name).rename(home.inbox / f"{name}-downloading")
        document, answer = asked(home, f"{name}-downloading")
        assert (document["kind"], document["job"]["kind"]) == ("receiving", kind)
        assert f"It {words}" in answer.why[-1]
        assert kind_of(home, name) == kind


def test_workers_that_wait_for_the_machine_are_said_to(home: TestHome) -> None:
    home.package("p0")
    home.start("run", "-n", "1")
    wait_until(lambda: kind_of(home, "p0") == "done")
    home.archive.rename(home.path / "away")
    home.package("p1")
    home.package("p2")
    wait_until(lambda: kind_of(home, "p1") == kind_of(home, "p2") == "held-up")
    document, answer = asked(home, "p2")
    assert document["at_work"]["workers"] == 1
    assert f"Trouble: the archive {home.archive} is not there: put it back, or mount its disk." in answer.why
    (home.path / "away").rename(home.archive)
    wait_until(lambda: kind_of(home, "p2") == "done")


@pytest.fixture
def scene(home: TestHome) -> Scene:
    made = Scene(home)
    made.deliver()
    home.jobrunner("scan")
    return made


def test_a_job_whose_failure_is_decided_is_on_its_way(home: TestHome) -> None:
    home.package("p", beside={"p.zip": BROKEN_ZIP})
    scene = Scene(home, {"p": {}})
    scene.crash(Kill("commit of condemn"), words=("run", "-n", "1", "--drain"))
    document, answer = asked(home, "p")
    assert (document["kind"], document["state"], document["verdict"]) == ("condemned", "running", "rejected")
    assert answer.headline == "p has failed, and is to be moved to failed/."
    assert answer.why[0] == document["error"]
    assert commands(answer) == ["jobrunner run -n 3"]


@pytest.mark.parametrize(
    ("step", "edge"),
    [
        (None, Kill("commit of claim", stops=True)),
        ("extracting", Kill("os.open", matching=r"/data-1/b/c\.txt", stops=True)),
        ("archiving", Kill("os.rename", matching=f"/handled-{BOOT_ID}", stops=True)),
        ("archiving", Kill("jobrunner.files.moves.rename_new", matching="/archive/p$", stops=True)),
    ],
)
def test_the_step_of_a_running_job_is_told_by_its_work_folder(scene: Scene, step: str | None, edge: Kill) -> None:
    process = scene.start_stopping(edge)
    try:
        document, answer = asked(scene.home, "p")
        assert (document["kind"], document["running"]["step"]) == ("running", step)
        assert answer.headline.startswith("p is running: it" if step else "p is running.")
    finally:
        process.kill()
        process.wait()


def test_a_package_that_was_taken_away_is_said_to_be_so(home: TestHome) -> None:
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    shutil.rmtree(home.archive / "p")
    assert "It has been taken out of the archive." in asked(home, "p")[1].why
    home.package("q")
    home.jobrunner("scan")
    shutil.rmtree(home.inbox / "q")
    assert "Its package is nowhere: deliver it again." in asked(home, "q")[1].why


def test_what_lies_in_archive_or_failed_without_a_job_is_found(home: TestHome) -> None:
    home.jobrunner("scan")
    for folder in ("archive", "failed"):
        home.package(folder, folder=home.path / folder)
        document, answer = asked(home, folder)
        assert (document["kind"], document["path"]) == ("without-job", str(home.path / folder / folder))
        assert answer.headline == f"{folder} lies in home/{folder}/{folder}, but the database does not know it."
        assert commands(answer) == ["jobrunner check --repair"]


def test_an_earlier_delivery_in_failed_is_told_from_the_newest(home: TestHome) -> None:
    for _ in range(2):
        home.package("p", beside={"p.zip": BROKEN_ZIP})
        assert home.jobrunner("run", "--drain").returncode == 1
    document, answer = asked(home, "failed/p~1")
    assert (document["kind"], document["name"], document["job"]["kind"]) == ("put-aside", "p~1", "failed")
    assert answer.headline == "p~1 in failed/ is an earlier delivery of p: it came again since."
    assert asked(home, str(home.failed / "p"))[0]["kind"] == "failed"


def test_an_unknown_name_says_what_is_close_and_where_it_was_looked_for(home: TestHome) -> None:
    for name in ("scan-0017", "scan-0018", "Überprüfung"):
        home.package(name)
    home.jobrunner("scan")
    home.package("scan-1170")
    for text, close in (
        ("scan-017", "scan-0017"),
        ("SCAN-0018", "scan-0018"),
        ("0018", "scan-0018"),
        ("scan-1171", "scan-1170"),
        (unicodedata.normalize("NFD", "überprüfung"), "Überprüfung"),
    ):
        document, answer = asked(home, text)
        assert document["kind"] == "unknown"
        assert document["close"][0] == close, text
        assert f"Names like it: {close}" in answer.why[-1]
    assert document["searched"] == [str(home.path / name) for name in ("jobrunner.db", "inbox", "archive", "failed")]
    document, answer = asked(home, "nothing like it")
    assert document["close"] == []
    assert answer.headline == "Nothing is known of nothing like it."
    assert commands(answer) == ["jobrunner list --name '*nothing like it*'"]


def test_the_command_prints_the_answer_and_ends_with_1_for_an_unknown_name(home: TestHome) -> None:
    home.package("p")
    before = tree(home.inbox)
    result = home.jobrunner("explain", "p")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "p is complete in the inbox, and has not been scanned yet.\n"
        "  No worker is running.\n"
        "  → to start workers:\n"
        "    jobrunner run -n 3\n"
    )
    assert json.loads(home.jobrunner("explain", "--json", "inbox/p").stdout)["kind"] == "unscanned"
    result = home.jobrunner("explain", "q")
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith("Nothing is known of q.\n")
    result = home.jobrunner("explain", "--json", "--", "-q")
    assert (result.returncode, json.loads(result.stdout)["kind"]) == (1, "unknown")
    assert tree(home.inbox) == before


def test_other_commands_point_to_it_for_an_unknown_name(home: TestHome) -> None:
    home.package("p")
    for command in ("show", "logs", "retry", "cancel"):
        assert "jobrunner explain p" in complaint(home.jobrunner(command, "p"), code=1)


def test_an_answer_fits_the_terminal_but_for_what_is_pasted(home: TestHome) -> None:
    deliver_as(home, "p", "other.zip")
    lines = on_a_terminal(home, "explain", "p", COLUMNS="60", NO_COLOR="1").splitlines()
    assert lines[-1] == "    mv -T home/inbox/p/other.zip home/inbox/p/p.zip"
    assert max(map(len, lines[:-1])) <= 60
    assert "\033[1m" in on_a_terminal(home, "explain", "p")


def test_each_kind_is_one_word_and_those_of_a_state_are_called_like_it() -> None:
    words = [kind.value for kind in (*Kind, *Lack)]
    assert len(set(words)) == len(words)
    assert {standing.value for standing in Standing} <= set(words)


def test_a_package_is_never_unknown_on_its_way_through(home: TestHome) -> None:
    home.start("run", "-n", "1")
    left = [f"p{number}" for number in range(60)]
    for name in left:
        home.package(name)
    while left:
        kinds = {name: kind_of(home, name) for name in left}
        assert "unknown" not in kinds.values()
        left = [name for name in left if kinds[name] != "done"]


def test_a_duplicate_is_compared_with_an_archive_on_another_disk(home: TestHome, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (home.path / "archive").symlink_to(tmp_path / "disk")
    home.package("one")
    assert home.jobrunner("run", "--drain").returncode == 0
    (home.inbox / ".again").mkdir()
    shutil.copy(home.archive / "one" / "one.zip", home.inbox / ".again")
    (home.inbox / ".again").rename(home.inbox / "one")
    comparison = home.asked("explain", "--compare", "--json", "one")["comparison"]
    assert (comparison["same"], comparison["is_all"]) == (1, True)
