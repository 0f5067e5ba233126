"""Packages that real programs deliver slowly and in place while jobrunner runs: each is processed once, and whole."""

import filecmp
import os
import shutil
import signal
import subprocess
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.senders import Sender, Site, cp, rsync, samba, scp, sftp
from tests.support import PATIENCE, RECEIPT, TestHome, wait_until

MEGABYTE = 2**20
#: How many seconds a package is on its way.
ON_THE_WAY = 4

#: Those with times give the folder or the zip its times by its path, after the last byte, and fail where it is gone.
SENDERS: dict[str, Sender] = {
    "cp": cp(),
    "cp-with-times": cp("-p"),
    "rsync": rsync("-r"),
    "rsync-with-times": rsync("-a"),
    "rsync-in-place": rsync("-r", "--inplace"),
    "rsync-in-place-with-times": rsync("-a", "--inplace"),
    "rsync-delayed": rsync("-a", "--delay-updates"),
    "rsync-from-elsewhere": rsync("-r", "--temp-dir={outbox}"),
    "samba": samba(),
    "scp": scp(),
    "scp-with-times": scp("-p"),
    "scp-old-protocol": scp("-O"),
    "sftp": sftp(),
    "sftp-with-times": sftp("-p"),
}
LARGE = ("cp", "rsync", "samba", "scp", "sftp")

HANDLER = '[process]\ncommand = ["sh", "-c", "echo $JOBRUNNER_PACKAGE >> journal"]\n'
#: As long as a busy machine may hold up a sender.
PATIENT = f'[intake]\nbroken_after = "{PATIENCE:g}s"\n'


class Content(NamedTuple):
    """A file of random bytes, and a zip with it as the member data.bin."""

    member: Path
    zip: Path


def content(folder: Path, size: int) -> Content:
    made = Content(folder / "data.bin", folder / "content.zip")
    made.member.write_bytes(os.urandom(size))
    with zipfile.ZipFile(made.zip, "w", zipfile.ZIP_STORED) as archive:
        archive.write(made.member, "data.bin")
    return made


@pytest.fixture
def site(home: TestHome, tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "site", home.inbox)
    try:
        made.start_servers()
        yield made
    finally:
        made.end()


def is_on_its_way(package: Path) -> bool:
    """Say whether some of a package has arrived."""
    with suppress(FileNotFoundError):
        return any(path.stat().st_size for path in package.rglob("*") if path.is_file())
    return False


def journal(home: TestHome) -> list[str]:
    """Return the packages that the handler was run on."""
    path = home.path / "journal"
    return sorted(path.read_text("utf-8").splitlines()) if path.exists() else []


def assert_whole(
    home: TestHome,
    sending: Mapping[str, subprocess.Popen[str]],
    expected: Mapping[str, Mapping[str, Path]],
    said: Mapping[str, str],
) -> None:
    """Verify that each package was processed once, is whole in the archive, and that no sender had trouble."""
    found = {name: faults(home, name, expected[name], sender) for name, sender in sending.items()}
    assert {name: [*wrong, said[name]] for name, wrong in found.items() if wrong} == {}
    assert os.listdir(home.inbox) == os.listdir(home.failed) == []


def faults(home: TestHome, name: str, expected: Mapping[str, Path], sender: subprocess.Popen[str]) -> list[str]:
    """Return what is wrong with a delivery that should be in the archive with the expected files, and its sender."""
    story = home.show(name)
    attempts = [(attempt["number"], attempt["outcome"], attempt["error"]) for attempt in story["attempts"]]
    archived = home.archive / name
    found = [] if sender.returncode == 0 else [f"the sender has ended with {sender.returncode}"]
    if story["state"] != "done" or len(attempts) != 1:
        found.append(f"it is {story['state']}: {attempts}")
    elif set(os.listdir(archived)) != {*expected, RECEIPT}:
        found.append(f"the archive has {os.listdir(archived)}")
    else:
        found += [
            f"{file} differs"
            for file, sent in expected.items()
            if not filecmp.cmp(archived / file, sent, shallow=False)
        ]
    return found


def end(home: TestHome, site: Site) -> None:
    """Free the disk, which pytest would not, and say which senders have not been tried."""
    for folder in (home.inbox, home.work, home.archive, home.failed):
        shutil.rmtree(folder)
    if site.lacking:
        missing = ", ".join(f"{program} ({why})" for program, why in site.lacking.items())
        pytest.skip(f"what could be tried here works, but for want of {missing} not all could")


def deliver_while_it_runs(
    home: TestHome, site: Site, senders: Mapping[str, Sender], delivered: Content, *, drain: bool
) -> None:
    """Deliver by all senders at once; with `drain`, jobrunner is started when all are on their way."""
    home.configure(HANDLER + PATIENT)
    if not drain:
        run = home.start("run", "-n", "2")
        wait_until(lambda: (home.path / "jobrunner.db").exists() and home.status())
    sending = {
        name: site.send(name, sender, {f"{name}.zip": delivered.zip}, delivered.zip.stat().st_size // ON_THE_WAY)
        for name, sender in senders.items()
        if site.can(sender)
    }
    if drain:
        wait_until(
            lambda: all(is_on_its_way(home.inbox / name) or sending[name].poll() is not None for name in sending)
        )
        run = home.start("run", "-n", "2", "--drain")
    said = {name: sender.communicate(timeout=2 * PATIENCE)[0] for name, sender in sending.items()}
    if not drain:
        wait_until(lambda: home.counts()["done"] + home.counts()["failed"] == len(sending))
        run.terminate()
    run.communicate(timeout=2 * PATIENCE)
    expected = {name: {f"{name}.zip": delivered.zip, "data.bin": delivered.member} for name in sending}
    assert_whole(home, sending, expected, said)
    assert run.returncode == (0 if drain else 128 + signal.SIGTERM)
    assert journal(home) == sorted(sending)
    end(home, site)


@pytest.mark.parametrize("drain", [False, True], ids=["run", "drain"])
def test_what_senders_write_while_jobrunner_runs_is_processed_once_and_whole(
    home: TestHome, site: Site, tmp_path: Path, drain: bool
) -> None:
    deliver_while_it_runs(home, site, SENDERS, content(tmp_path, 8 * MEGABYTE), drain=drain)


@pytest.mark.campaign
@pytest.mark.parametrize("drain", [False, True], ids=["run", "drain"])
def test_what_senders_write_of_200_mb_is_processed_once_and_whole(
    home: TestHome, site: Site, tmp_path: Path, drain: bool
) -> None:
    senders = {name: SENDERS[name] for name in LARGE}
    deliver_while_it_runs(home, site, senders, content(tmp_path, 200 * MEGABYTE), drain=drain)


@pytest.mark.parametrize(
    "rule",
    ['complete_when = "still"\nsettle = "2s"', 'complete_when = "marker"\nmarker = "CopyComplete.txt"'],
    ids=["still", "marker"],
)
def test_files_that_arrive_after_the_zip_are_part_of_the_package(
    home: TestHome, site: Site, tmp_path: Path, rule: str
) -> None:
    home.configure(f"{HANDLER}[intake]\n{rule}\n")
    delivered = content(tmp_path, MEGABYTE)
    (tmp_path / "marker").write_text("done\n", "utf-8")
    run = home.start("run", "-n", "2")
    sending, expected = {}, {}
    for name, sender in SENDERS.items():
        if site.can(sender):
            files = {f"{name}.zip": delivered.zip, "zz.bin": delivered.member}
            sending[name] = site.send(name, sender, files, MEGABYTE)
            expected[name] = files | {"data.bin": delivered.member}
    said = {name: sender.communicate(timeout=PATIENCE)[0] for name, sender in sending.items()}
    if "marker" in rule:
        home.package("with-marker", beside={"CopyComplete.txt": b""})
        wait_until(lambda: home.counts()["done"])
        assert journal(home) == ["with-marker"]
        for name in sending:
            shutil.copy(tmp_path / "marker", home.inbox / name / "CopyComplete.txt")
            expected[name]["CopyComplete.txt"] = tmp_path / "marker"
    wait_until(lambda: set(journal(home)) >= set(sending) and not home.counts()["running"])
    run.terminate()
    run.communicate(timeout=PATIENCE)
    assert_whole(home, sending, expected, said)
    assert journal(home) == sorted([*sending, *["with-marker"] * ("marker" in rule)])
    end(home, site)


def test_a_sender_that_stalls_is_waited_for_and_then_told_what_to_do(
    home: TestHome, site: Site, tmp_path: Path
) -> None:
    home.configure(f'{HANDLER}[intake]\nbroken_after = "1s"\n')
    goes_on = threading.Event()
    sender = site.send("p", cp(), {"p.zip": content(tmp_path, MEGABYTE).zip}, 10 * MEGABYTE, hold=goes_on)
    arriving = home.inbox / "p" / "p.zip"
    wait_until(lambda: arriving.exists() and arriving.stat().st_size >= MEGABYTE // 2)
    changed_at = arriving.stat().st_ctime
    assert home.jobrunner("run", "-n", "2", "--drain").returncode == 1
    goes_on.set()
    sender.communicate(timeout=PATIENCE)
    error = home.show("p")["error"]
    assert "\n" not in error
    assert "NAME-downloading" in error
    assert "intake.settle" in error
    assert len(home.show("p")["attempts"]) == 1
    assert journal(home) == []
    with home.open() as service:
        job = service.store.jobs.find("p")
        assert job is not None
        assert job.created_at - changed_at >= 1
