"""`jobrunner reload`: a changed jobrunner.toml is noticed, and taken over without a package's noticing."""

import os
import signal
import subprocess
from functools import partial

import pytest

from jobrunner.domain.reload import Answer, Reloaded
from jobrunner.wiring.reloading import reload_request
from tests.messages import complaint
from tests.scripts import PRELUDE, journal, outcomes
from tests.support import PATIENCE, TestHome, children_of, processes_of, wait_until

#: Waits for its own package's file, and says which settings it was started by.
GATED = PRELUDE + "start()\nwait_for(f'go-{NAME}')\nprint(os.environ.get('VERSION'))\n"


class Setting:
    """A home with a gated handler whose settings change."""

    def __init__(self, home: TestHome) -> None:
        self.home = home
        home.handler(GATED)
        self.base = (home.path / "jobrunner.toml").read_text().replace("[retry]", "{}[retry]")
        self.set()

    def set(self, version: str = "old", more: str = "") -> None:
        """Rewrite the file: `version` reaches the handler, `more` is TOML source."""
        self.write(self.base.format(f'environment = {{ VERSION = "{version}" }}\n') + more)

    def write(self, toml: str) -> None:
        """Put a file in the place of the other one, in one step: a half-written one would be noticed, too."""
        (self.home.path / "new.toml").write_text(toml)
        (self.home.path / "new.toml").rename(self.home.path / "jobrunner.toml")

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start to run, and return once it is recorded."""
        process = self.home.start(*words, stderr=(self.home.path / "events").open("w"))
        wait_until(lambda: (self.home.path / "jobrunner.db").exists() and self.home.status()["runners"])
        return process

    def begin(self, *names: str) -> None:
        """Deliver packages, one after the other, and wait until their handlers have started."""
        for name in names:
            self.home.package(name)
            wait_until(partial(self.has_started, name))

    def has_started(self, name: str) -> bool:
        return name in self.started()

    def reload(self) -> list[Answer]:
        """Do as the command does, in this process: that takes a tenth of the time."""
        opened = self.home.open()
        try:
            return list(reload_request(opened).answers(PATIENCE))
        finally:
            opened.store.close()

    def started(self) -> list[str]:
        return [note.package for note in journal(self.home.path, "start")]

    def release(self, *names: str) -> None:
        for name in names:
            (self.home.path / f"go-{name}").touch()
        wait_until(lambda: all((self.home.archive / name).exists() for name in names))

    def alive(self) -> tuple[int, int]:
        """How many workers are wanted, and how many live."""
        [runner] = self.home.status()["runners"]
        return runner["workers"], runner["alive"]

    def events(self, label: str) -> list[str]:
        lines = (self.home.path / "events").read_text().splitlines()
        return [line.split("  ", 2)[2].lstrip() for line in lines if line.split("  ")[1].startswith(label)]

    def log(self, name: str) -> str:
        return (self.home.logs / name / "1.log").read_text().strip()

    def end(self, process: subprocess.Popen[str]) -> None:
        process.terminate()
        assert process.wait() == 143
        assert self.events("died") == []


@pytest.fixture
def setting(home: TestHome) -> Setting:
    return Setting(home)


def test_workers_are_added_and_drained_while_packages_run(setting: Setting) -> None:
    process = setting.start("run")
    setting.begin("a")
    setting.set(more="[work]\nworkers = 3\n")
    assert setting.reload() == [Answer("run", process.pid, Reloaded(["work.workers"], []))]
    wait_until(lambda: setting.alive() == (3, 3))
    setting.begin("b", "c")
    first = children_of(process.pid)
    setting.set(more="[work]\nworkers = 2\n")
    setting.reload()
    assert setting.alive() == (2, 3), "the third is at a package"
    setting.home.package("d")
    setting.release("a", "b", "c")
    wait_until(lambda: set(children_of(process.pid)) < set(first))
    assert setting.alive() == (2, 2), "those that stay have not been replaced"
    setting.release("d")
    setting.end(process)
    assert [outcomes(setting.home, name) for name in "abcd"] == [["done"]] * 4
    assert sorted(setting.started()) == ["a", "b", "c", "d"]


def test_a_worker_finishes_as_it_began_and_the_next_goes_by_the_new_settings(setting: Setting) -> None:
    process = setting.start("run", "-n", "1")
    setting.begin("a")
    setting.set("new", '[work]\nworkers = 3\n[folders]\nmode = "0700"\n')
    [said] = wait_until(lambda: setting.events("settings"))
    assert said == (
        "jobrunner.toml has changed since the start (process.environment, work.workers, folders.mode): "
        "jobrunner reload takes over what can be, a restart all"
    )
    assert setting.home.status()["runners"][0]["settings_changed"]
    result = setting.home.jobrunner("reload")
    assert (result.returncode, result.stderr) == (0, "")
    outcome = "taken over: process.environment; -n 1 stays; a restart is needed for folders.mode"
    assert result.stdout.splitlines() == [
        f"run, pid {process.pid}: {outcome}",
        "  A worker that is at a package goes by that after it.",
    ]
    assert setting.events("reload") == [outcome]
    setting.home.package("b")
    setting.release("a")
    setting.release("b")
    assert (setting.log("a"), setting.log("b")) == ("old", "new")
    assert setting.home.status()["runners"][0]["settings_changed"], "a restart is still needed"
    assert setting.alive() == (1, 1)
    setting.end(process)
    assert setting.started() == ["a", "b"]


def test_what_is_wrong_changes_nothing_and_what_is_meant_the_same_is_not_said(setting: Setting) -> None:
    process = setting.start("work")
    setting.set(more="[wrok]\n")
    [said] = wait_until(lambda: setting.events("settings"))
    assert "jobrunner.toml has changed and is wrong, so nothing of it counts" in said
    assert "unknown section [wrok] (did you mean work?)" in said
    assert "unknown section [wrok]" in complaint(setting.home.jobrunner("reload"))
    setting.write('[process]\ncommand = ["nonesuch"]\n')
    refused = complaint(setting.home.jobrunner("reload"), code=1)
    assert (
        f"work, pid {process.pid}: refused, and nothing has changed: process.command: the program nonesuch" in refused
    )
    setting.set(more="# only a remark\n")
    wait_until(lambda: not setting.home.status()["runners"][0]["settings_changed"])
    assert [answer.reloaded for answer in setting.reload()] == [Reloaded([], [])]
    assert len(setting.events("settings")) in {1, 2}, "the second file is said to be another one, or to be refused"
    setting.end(process)


def test_draining_goes_on_with_what_has_been_taken_over(setting: Setting) -> None:
    setting.home.package("a")
    process = setting.start("run", "--drain")
    wait_until(lambda: setting.has_started("a"))
    setting.set("new", "[work]\nworkers = 2\n")
    setting.reload()
    setting.begin("b")
    setting.release("a", "b")
    assert process.wait() == 0
    assert (setting.log("a"), setting.log("b")) == ("old", "new")
    assert setting.events("died") == []


def test_a_scanner_goes_by_the_new_settings(home: TestHome) -> None:
    process = home.start("scan", "--watch", stderr=subprocess.DEVNULL)
    wait_until(lambda: (home.path / "jobrunner.db").exists() and home.status()["runners"])
    home.package("a.part")
    wait_until(lambda: home.counts()["queued"])
    home.configure('[intake]\nincomplete_suffix = ".part"\n[process]\nnice = 3\n')
    assert home.jobrunner("reload").stdout == f"scan, pid {process.pid}: taken over: intake.incomplete_suffix\n"
    home.package("b.part")
    home.package("c-downloading")
    wait_until(lambda: home.counts()["queued"] == 2)
    assert [delivery["name"] for delivery in home.status()["incomplete"]] == ["b.part"]
    [runner] = home.status()["runners"]
    assert (runner["workers"], runner["settings_changed"]) == (0, False)


def test_where_nothing_runs_the_next_start_reads_it(home: TestHome) -> None:
    result = home.jobrunner("reload")
    assert result.stdout == "Nothing is running with this database: the next start reads jobrunner.toml.\n"
    assert result.returncode == 0
    assert os.listdir(home.path) == ["inbox"], "no database is made to look into"
    home.open().store.close()
    assert home.jobrunner("reload").stdout == result.stdout


@pytest.mark.parametrize("under", [{"INVOCATION_ID": "0123"}, {}], ids=["service", "shell"])
def test_a_hangup_reloads_under_a_service_manager_and_stops_elsewhere(setting: Setting, under: dict[str, str]) -> None:
    home = setting.home
    with (home.path / "events").open("w") as events:
        process = subprocess.Popen(
            [*home.program, "--home", str(home.path), "run"],
            stderr=events,
            env=home.environment | under,
            start_new_session=True,  # away from the terminal of whoever runs the tests
        )
    try:
        wait_until(lambda: (home.path / "jobrunner.db").exists() and setting.home.status()["runners"])
        setting.begin("a")
        setting.set("new")
        process.send_signal(signal.SIGHUP)
        if under:
            wait_until(lambda: setting.events("reload"))
            assert setting.events("reload") == ["taken over: process.environment"]
            assert setting.events("stop") == []
            process.terminate()
        setting.release("a")
        assert process.wait() == 128 + (signal.SIGTERM if under else signal.SIGHUP)
        assert setting.log("a") == "old"
        wait_until(lambda: not processes_of(home))
    finally:
        process.kill()
        process.wait()
