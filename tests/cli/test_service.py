"""`jobrunner service`: what it prints is a unit to systemd itself, and runs."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.unit import Unit, outermost, unit_text
from tests.messages import complaint
from tests.scripts import PRELUDE, journal
from tests.support import TestHome, children_of, wait_until
from tests.systemd import ANALYZE, Systemd, systemd

ODD = "a b%h$x\"q's\\z é;#"


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[TestHome]:
    home = TestHome(tmp_path / ODD)
    yield home
    home.end_all()


def unit_of(home: TestHome, *words: str) -> str:
    result = home.jobrunner("service", *words)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def verified(unit: str, file: Path, instance: str | None = None) -> str:
    """What systemd understands of a unit, in its own words; it has to have no objection."""
    if not ANALYZE:
        pytest.skip("there is no systemd-analyze here: apt install systemd")
    file.write_text(unit)
    asked = str(file.with_name(instance) if instance else file)
    said = subprocess.run([ANALYZE, "verify", asked], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    debug = os.environ | {"SYSTEMD_LOG_LEVEL": "debug"}
    return subprocess.run([ANALYZE, "verify", asked], capture_output=True, text=True, env=debug, check=True).stdout


def all_hardened(unit: str) -> str:
    """The unit with all that stands in it as a comment for who wants it."""
    lines = [line[1:] if line[:1] == "#" and line[1:2].isupper() else line for line in unit.splitlines()]
    return "\n".join(lines) + "\n"


def test_the_folder_of_a_log_file_is_waited_for_and_written_to(home: TestHome, tmp_path: Path) -> None:
    home.configure(f'[log]\nfile = "{tmp_path}/var/run.log"\n')
    unit = unit_of(home).splitlines()
    assert f"#ReadWritePaths={home.path} {tmp_path}/var" in unit
    [needed] = [line for line in unit if line.startswith("RequiresMountsFor=")]
    assert needed.endswith(f" {tmp_path}/var")


def test_systemd_takes_the_unit_of_a_home_with_any_name(odd: TestHome, tmp_path: Path) -> None:
    odd.configure('[folders]\nmode = "0770"\n[work]\nshutdown_grace = "2h"\n')
    dump = verified(all_hardened(unit_of(odd)), tmp_path / "jobrunner.service")
    assert f"ReadWritePaths: {odd.path}\n" in dump
    for path in (odd.path, odd.inbox, odd.work, odd.archive, odd.failed, odd.logs):  # each may be a disk of its own
        assert f"RequiresMountsFor: {path} (" in dump
    words = str(odd.path).replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    assert f'--home "{words}" run\n' in dump
    assert f'--home "{words}" reload\n' in dump
    assert "UMask: 0007\n" in dump
    assert "TimeoutStopSec: 2h 30s\n" in dump
    for line in ("PrivateTmp: yes", "ProtectSystem: strict", "ProtectHome: read-only"):
        assert f"{line}\n" in dump
    assert "PrivateTmp: no\n" in verified(unit_of(odd), tmp_path / "jobrunner.service")


def test_systemd_takes_the_unit_of_the_dashboard_of_a_home_with_any_name(odd: TestHome, tmp_path: Path) -> None:
    dump = verified(unit_of(odd, "--web"), tmp_path / "jobrunner-web.service")
    words = str(odd.path).replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    assert f'--home "{words}" web\n' in dump
    assert "ask for one of them" in complaint(odd.jobrunner("service", "--web", "--template"))


def test_what_only_our_environment_sets_is_said_to_be_missing(home: TestHome) -> None:
    result = home.jobrunner("service", environment={"JOBRUNNER_WORK_WORKERS": "7", "JOBRUNNER_HOME": "/"})
    assert result.returncode == 0
    said = "JOBRUNNER_WORK_WORKERS is set here, and the service will not have it: put that into jobrunner.toml"
    assert result.stderr == f"jobrunner: {said}\n"


def test_a_template_is_one_for_any_home(home: TestHome, tmp_path: Path) -> None:
    instance = r"jobrunner@srv-lab\x20one.service"
    dump = verified(all_hardened(unit_of(home, "--template")), tmp_path / "jobrunner@.service", instance)
    assert '--home "/srv/lab one" run\n' in dump
    assert "RequiresMountsFor: /srv/lab one (" in dump
    assert "ReadWritePaths: /srv/lab one\n" in dump


def test_folders_between_which_packages_are_renamed_stay_on_one_mount(home: TestHome, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    home.configure("[folders]\n" + "".join(f'{name} = "{disk}/{name}"\n' for name in ("work", "archive", "failed")))
    assert f"#ReadWritePaths={disk} {home.path}\n" in unit_of(home)
    assert outermost(["/a/b", "/a", "/a-b", "/c/d/", "/c/d/e"]) == ["/a-b", "/a", "/c/d/"]
    assert outermost(["/a", "/"]) == ["/"]


def test_a_home_that_no_unit_can_name_is_refused(tmp_path: Path) -> None:
    odd = TestHome(tmp_path / "two\nlines")
    assert "a systemd unit cannot name" in complaint(odd.jobrunner("service"))
    with pytest.raises(ConfigurationError, match="cannot name"):
        unit_text(Unit(["/bin/jobrunner"], "lab", "/srv/\udcb2", ["/srv/\udcb2"]))


@pytest.fixture(scope="module")
def manager() -> Iterator[Systemd]:
    with systemd() as running:
        yield running


def test_a_real_service_manager_runs_it(manager: Systemd, odd: TestHome) -> None:
    odd.handler(PRELUDE + "start()\nwait_for(f'go-{NAME}')\n")
    unit = unit_of(odd)
    assert "Type=notify\n" in unit
    assert "TimeoutStopSec=60s\n" in unit
    manager.install(unit.replace("TimeoutStopSec=60s", "TimeoutStopSec=1s"))
    assert manager.control("start", "jobrunner").returncode == 0
    assert manager.state("ActiveState", "SubState") == ["active", "running"]
    wait_until(lambda: manager.state("StatusText") == ["nothing to do"])
    settings = odd.path / "jobrunner.toml"
    settings.write_text(settings.read_text() + "[work]\nworkers = 2\n")
    assert manager.control("reload", "jobrunner").returncode == 0
    settings.write_text(settings.read_text().replace("workers = 2", 'workers = "two"'))
    assert manager.control("reload", "jobrunner").returncode == 1
    assert manager.state("ActiveState", "NRestarts") == ["active", "0"]
    settings.write_text(settings.read_text().replace('"two"', "2"))
    odd.package("first")
    wait_until(lambda: journal(odd.path, "start"))
    stopping = subprocess.Popen([*manager.inside, "systemctl", "stop", "jobrunner"])
    wait_until(lambda: manager.state("StatusText")[0].startswith("stopping"))
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 2)  # longer than TimeoutStopSec
    (odd.path / "go-first").touch()
    assert stopping.wait(120) == 0
    assert manager.state("ActiveState", "Result") == ["inactive", "success"]
    assert odd.counts()["done"] == 1


def test_a_real_service_manager_starts_again_what_is_stopped(manager: Systemd, odd: TestHome) -> None:
    hardened = all_hardened(unit_of(odd)).replace("PrivateTmp=yes\n", "")  # this home may lie there
    manager.install(hardened.replace("WatchdogSec=2min", "WatchdogSec=2s").replace("RestartSec=10s", "RestartSec=1s"))
    odd.package("first")
    assert manager.control("start", "jobrunner").returncode == 0
    wait_until((odd.archive / "first").exists)
    os.kill(min(children_of(manager.main_pid())), signal.SIGSTOP)
    wait_until(lambda: manager.state("NRestarts", "ActiveState") == ["1", "active"])
    assert manager.control("stop", "jobrunner").returncode == 0
