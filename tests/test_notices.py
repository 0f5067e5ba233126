"""People are told what needs them: once, in the end, whatever their webhook does meanwhile."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from email import message_from_bytes
from pathlib import Path
from typing import Any

import apsw
import pytest

from jobrunner.wiring.steering import pausing
from tests.messages import met_a_bug
from tests.receiver import Receiver, receiving
from tests.scripts import PRELUDE
from tests.support import BROKEN_ZIP, PATIENCE, TestHome, children_of, wait_until
from tests.test_process_titles import titles

#: Rejects each package for the same reason, but for a number.
REJECTS = "import os, sys\nsys.exit(f'{len(os.environ[\"JOBRUNNER_PACKAGE\"])} sensors are too many') or 65\n"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def configure(home: TestHome, receiver: Receiver | None = None, more: str = "", *, handler: str = "") -> None:
    """Have notices be posted to the receiver, or else appended to the file `told`."""
    notify = f"webhook = '{receiver.url}'" if receiver else "command = ['sh', '-c', 'cat >> told; echo >> told']"
    home.handler(handler or PRELUDE, retry="max_attempts = 1")
    with (home.path / "jobrunner.toml").open("a") as file:
        file.write(f"[notify]\n{notify}\n{more}")


def told(home: TestHome) -> list[dict[str, Any]]:
    file = home.path / "told"
    return [json.loads(line) for line in file.read_text().splitlines() if line] if file.exists() else []


def fail(home: TestHome, *names: str) -> None:
    """Have packages fail that hold a broken zip."""
    for name in names:
        arriving = home.path / ".arriving"
        arriving.mkdir()
        (arriving / f"{name}.zip").write_bytes(BROKEN_ZIP)
        arriving.rename(home.inbox / name)
    assert home.jobrunner("run", "-n", "2", "--drain").returncode == 1


def change(home: TestHome, sql: str) -> None:
    with closing(apsw.Connection(str(home.path / "jobrunner.db"))) as connection:
        connection.execute(sql)


def run_again(home: TestHome) -> None:
    """Have what was put off be due, and be sent."""
    change(home, "UPDATE notices SET due_at = 0")
    assert home.jobrunner("work", "--drain").returncode == 0


def test_packages_that_failed_are_one_notice_whose_command_finds_them(home: TestHome, receiver: Receiver) -> None:
    configure(home, receiver)
    fail(home, "p1", "p2", "p3")
    [notice] = receiver.notices
    assert notice["kind"] == "failed"
    assert notice["text"].startswith(f"3 packages failed in {home.path}: ")
    [reason] = notice["details"]["reasons"]
    assert sorted(reason["names"]) == ["p1", "p2", "p3"]
    _, _, _, *words = shlex.split(reason["list"])
    assert sorted(home.jobrunner(*words, "--names").stdout.split()) == ["p1", "p2", "p3"]
    _, _, _, *words = shlex.split(reason["retry"])
    assert "3 packages queued again" in home.jobrunner(*words).stdout
    assert home.status()["notices"] == {"waiting": [], "given_up": {"count": 0, "newest": []}}


def test_five_hundred_failures_of_one_reason_are_one_notice(home: TestHome) -> None:
    configure(home)
    with closing(home.open().store) as store, store.write():
        for number in range(500):
            store.notices.note_failure(f"p{number}", f"exit status 1: no sensor {number}", time.time())
    assert home.jobrunner("work", "--drain").returncode == 0
    [notice] = told(home)
    assert notice["text"] == f"500 packages failed in {home.path}: exit status 1: no sensor N"


def test_names_that_others_have_chosen_stay_names(home: TestHome) -> None:
    configure(home)
    names = ['"},{"', "--help", "new\nline", "\udcff\x1b[2J", "é"]
    fail(home, *names)
    assert (home.path / "told").read_bytes().isascii()
    shown = [name for notice in told(home) for reason in notice["details"]["reasons"] for name in reason["names"]]
    assert sorted(shown) == sorted(['"},{"', "--help", r"new\nline", r"\xff\x1b[2J", "é"])


def test_what_is_cancelled_done_or_tried_again_is_told_to_nobody(home: TestHome) -> None:
    configure(home)
    home.package("done")
    home.package("cancelled")
    home.jobrunner("scan")
    assert home.jobrunner("cancel", "cancelled").returncode == 0
    assert home.jobrunner("work", "--drain").returncode == 0
    assert (home.counts()["failed"], told(home)) == (1, [])


def test_only_what_is_asked_for_is_told(home: TestHome) -> None:
    configure(home, more="on = ['stopped']\n")
    fail(home, "p")
    assert told(home) == []
    with closing(home.open().store) as store:
        assert store.notices.last_unnoticed() is None


@pytest.mark.parametrize("answer", [500, 302, "dies", "hangs"])
def test_a_webhook_that_fails_gets_the_same_notice_again(home: TestHome, receiver: Receiver, answer: int | str) -> None:
    configure(home, receiver, "command = ['sh', '-c', 'cat >> told; echo >> told']\n")
    receiver.answers = [answer] * 9
    fail(home, "p")
    [waiting] = home.status()["notices"]["waiting"]
    assert (waiting["channel"], waiting["count"]) == ("webhook", 1)
    assert "token" not in waiting["error"]
    assert f"as the webhook fails: {waiting['error']}"[:60] in home.jobrunner("status").stdout
    [by_command] = told(home)
    receiver.answers.clear()
    run_again(home)
    assert len(receiver.notices) >= 2
    assert all(notice == by_command for notice in receiver.notices), "its receiver sees that it has it already"
    assert told(home) == [by_command], "what one channel does not take holds up no other"
    assert home.status()["notices"]["waiting"] == []


def test_what_is_given_up_is_said_and_stays_in_sight(home: TestHome, receiver: Receiver) -> None:
    configure(home, receiver)
    receiver.answers = [500, 500]
    fail(home, "p")
    change(home, "UPDATE notices SET tries = 149, due_at = 0")
    result = home.jobrunner("work", "--drain")
    assert "a notice (failed) is given up, as the webhook of [notify] fails: HTTP 500" in result.stderr
    given_up = home.status()["notices"]["given_up"]
    assert (given_up["count"], given_up["newest"][0]["kind"]) == (1, "failed")
    assert "notices   1 given up, the newest " in home.jobrunner("status").stdout
    run_again(home)
    assert len(receiver.posts) == 2
    assert home.jobrunner("prune", "--older-than", "0s").returncode == 0
    assert home.status()["notices"]["given_up"]["count"] == 0


def test_a_receiver_that_is_not_set_any_more_is_given_up(home: TestHome, receiver: Receiver) -> None:
    configure(home, receiver)
    receiver.answers = [500]
    fail(home, "p")
    configure(home)
    run_again(home)
    [given_up] = home.status()["notices"]["given_up"]["newest"]
    assert given_up["error"] == "notify.webhook is not set any more"


def test_a_running_jobrunner_tells_within_moments_and_has_a_process_for_it(home: TestHome, receiver: Receiver) -> None:
    configure(home, receiver, handler="import sys\nsys.exit('no sensor')\n")
    runner = home.start("run", "-n", "1")
    wait_until(lambda: "jobrunner: notifier" in titles(home))
    home.package("p")
    wait_until(lambda: receiver.kinds() == ["failed"])
    home.jobrunner("pause", "--reason", "la nuit")
    wait_until(lambda: receiver.kinds() == ["failed", "paused"])
    home.jobrunner("pause", "--reason", "la nuit")
    runner.terminate()
    assert runner.wait(PATIENCE) == 128 + signal.SIGTERM
    assert receiver.kinds() == ["failed", "paused", "stopped"]
    paused, stopped = receiver.notices[1:]
    assert paused["text"] == f"{home.path} is paused, and nothing is claimed: la nuit"
    assert paused["details"]["resume"] == f"jobrunner --home {home.path} resume"
    assert stopped["text"] == f"jobrunner run in {home.path} was stopped by SIGTERM"


def test_a_hanging_receiver_holds_up_no_worker_and_no_stop(home: TestHome, receiver: Receiver) -> None:
    configure(home, receiver)
    receiver.answers = ["hangs"] * 9
    (home.inbox / "bad").mkdir()
    (home.inbox / "bad" / "bad.zip").write_bytes(BROKEN_ZIP)
    runner = home.start("run", "-n", "1")
    wait_until(lambda: receiver.posts)
    home.package("good")
    wait_until((home.archive / "good").exists)
    [notifier] = [pid for pid in children_of(runner.pid) if b"notifier" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert children_of(notifier), "it is still at it"
    runner.terminate()
    assert runner.wait(20) == 128 + signal.SIGTERM
    assert len(receiver.posts) <= 4
    [waiting] = home.status()["notices"]["waiting"]
    assert waiting["count"] == 1


def test_a_notifier_that_is_killed_is_replaced(home: TestHome) -> None:
    configure(home)
    runner = home.start("run", "-n", "1")

    def notifier() -> int | None:
        for pid in children_of(runner.pid):
            with suppress(FileNotFoundError):  # it has ended meanwhile
                if b"notifier" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None

    first = wait_until(notifier)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: notifier() not in {None, first})


def test_the_database_may_be_the_trouble(home: TestHome) -> None:
    configure(home)
    database = home.path / "jobrunner.db"
    runner = home.start("run", "-n", "1")
    wait_until(lambda: "jobrunner: worker 1: idle" in titles(home))
    with closing(apsw.Connection(str(database))) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        home.package("p")
        wait_until(lambda: told(home))
        connection.execute("ROLLBACK")
    wait_until((home.archive / "p").exists)
    [notice] = told(home)
    assert notice["kind"] == "trouble"
    assert f"the database {database}" in notice["text"]
    database.rename(home.path / "old.db")
    shutil.copy(home.path / "old.db", database)
    assert runner.wait(PATIENCE) == 1
    stopped = told(home)[-1]
    assert (stopped["kind"], stopped["details"]["signal"]) == ("stopped", None)
    assert stopped["text"].startswith(
        f"jobrunner run in {home.path} has stopped: stopped, because the database is gone"
    )
    assert runner.stderr
    assert not met_a_bug(runner.stderr.read())


def test_a_package_that_waits_for_too_long_is_told_once_until_that_is_over(home: TestHome) -> None:
    configure(home, more="backlog = '30m'\n")
    home.package("p")
    opened = home.open()
    with closing(opened.store) as store:
        pausing(opened).pause(None, None)
        with store.write():
            store.queue.enqueue(["p"], time.time() - 3600)
    for _ in range(2):
        assert home.jobrunner("work", "--drain").returncode == 1
    assert [notice["kind"] for notice in told(home)] == ["paused", "backlog"]
    backlog = told(home)[1]
    assert backlog["text"].startswith("p has been in the queue since ")
    assert (backlog["details"]["oldest"], backlog["details"]["queued"]) == ("p", 1)
    home.jobrunner("resume")
    assert home.jobrunner("work", "--drain").returncode == 0
    with closing(home.open().store) as store:
        assert not store.notices.is_in_backlog()


def test_a_reload_begins_and_ends_to_tell(home: TestHome) -> None:
    home.handler(REJECTS, retry="max_attempts = 1")
    home.start("run", "-n", "1")
    wait_until(lambda: "jobrunner: worker 1: idle" in titles(home))
    assert "jobrunner: notifier" not in titles(home)
    configure(home, handler=REJECTS)
    assert home.jobrunner("reload").returncode == 0
    wait_until(lambda: "jobrunner: notifier" in titles(home))
    home.package("p")
    wait_until(lambda: told(home))
    home.handler(REJECTS, retry="max_attempts = 1")
    assert home.jobrunner("reload").returncode == 0
    wait_until(lambda: "jobrunner: notifier" not in titles(home))


def test_the_mail_that_is_documented_is_one(home: TestHome) -> None:
    page = (Path(__file__).parents[1] / "docs" / "notices.md").read_text("utf-8")
    mail, *_ = re.findall(r"```python\n(# file: notify.py.*?)```", page, re.DOTALL)
    *program, _, _ = mail.splitlines()  # but for the server
    (home.path / "notify.py").write_text("\n".join([*program, "open('mail', 'wb').write(bytes(mail))"]))
    configure(home)
    toml = (home.path / "jobrunner.toml").read_text()
    home.configure(re.sub("command = .'sh.*", f'command = ["{sys.executable}", "notify.py"]', toml))
    fail(home, "p\nBcc: everybody@example.org")
    sent = message_from_bytes((home.path / "mail").read_bytes())
    assert (sent["Subject"], sent["Bcc"]) == (f"jobrunner on {socket.gethostname()}: failed", None)
    assert r"p\nBcc: everybody@example.org failed in" in sent.get_payload()


def test_the_end_of_a_drain_is_no_stop(home: TestHome) -> None:
    configure(home)
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    assert told(home) == []
