"""A home in an unsafe place is refused in one plain line before anything is made."""

import ctypes
import errno
import os
import shutil
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.services.supervision import Supervisor
from jobrunner.wiring.bugs import Exits
from jobrunner.wiring.home import Home
from jobrunner.wiring.reloading import reloading
from jobrunner.wiring.running import supervisor
from jobrunner.wiring.serving import serving
from tests.messages import complaint, tree
from tests.support import TestHome, wait_until

NOBODY = 65534
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1

_HEADER = struct.Struct("<IIQQIIII")  # struct fuse_in_header of linux/fuse.h
_FORGET, _GETATTR, _OPEN_FOLDER, _INIT = 2, 3, 27, 26


def _serve(device: int) -> None:
    """Answer the kernel as a FUSE filesystem that is an empty folder."""
    attributes = struct.pack("<QQQQQQIIIIIIIIII", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
    answers = {
        _INIT: struct.pack("<IIIIHHIII28x", 7, 31, 0, 0, 0, 0, 4096, 0, 0),
        _GETATTR: struct.pack("<QII", 0, 0, 0) + attributes,
        _OPEN_FOLDER: bytes(16),
    }
    while True:
        try:
            request = os.read(device, 1 << 17)
        except OSError:  # it is not mounted any more
            return
        _, call, number, *_ = _HEADER.unpack_from(request)
        if call == _FORGET:
            continue
        answer = answers.get(call)
        error = 0 if answer is not None else -errno.ENOENT
        os.write(device, struct.pack("<IiQ", 16 + len(answer or b""), error, number) + (answer or b""))


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Path]:
    """A folder that the kernel takes for one of sshfs."""
    folder = tmp_path / "remote"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"a FUSE filesystem cannot be mounted here: {error}")
    options = f"fd={device},rootmode=40755,user_id=0,group_id=0"
    if libc.mount(b"lab:/data", bytes(folder), b"fuse.sshfs", 0, options.encode()) != 0:
        os.close(device)
        pytest.skip(f"a FUSE filesystem cannot be mounted here: {os.strerror(ctypes.get_errno())}")
    server = threading.Thread(target=_serve, args=[device])
    server.start()
    yield folder
    libc.umount2(bytes(folder), 2)  # MNT_DETACH
    server.join()
    os.close(device)


@pytest.mark.parametrize("what", ["database", "work"])
def test_a_network_mount_is_refused_with_its_name_and_the_reason(home: TestHome, remote: Path, what: str) -> None:
    settings = {
        "database": f'[database]\nurl = "sqlite:///{remote}/jobs.db"\n',
        "work": f'[folders]\nwork = "{remote}"\n',
    }
    home.configure(settings[what])
    before = tree(home.path)
    said = complaint(home.jobrunner("status"))
    assert f"is on {remote}, a FUSE filesystem (fuse.sshfs): " in said
    assert {"database": "set database.url to ", "work": "set folders.work, archive and failed to "}[what] in said
    assert tree(home.path) == before


def test_the_inbox_may_lie_there(home: TestHome, remote: Path) -> None:
    home.configure(f'[folders]\ninbox = "{remote}"\n')
    result = home.jobrunner("init")
    assert result.returncode == 0, result.stderr


def test_two_homes_do_not_share_a_work_folder(home: TestHome, tmp_path: Path) -> None:
    other = TestHome(tmp_path / "other")
    other.configure(f'[folders]\nwork = "{home.work}"\n')
    assert home.jobrunner("status").returncode == 0
    for said in (complaint(other.jobrunner("scan")), other.jobrunner("status").stderr):
        assert str(home.path / "jobrunner.db") in said
        assert "folders.work" in said
    assert home.jobrunner("status").returncode == 0


def on_the_database_of(home: TestHome, path: Path) -> TestHome:
    other = TestHome(path)
    other.configure(f'[database]\nurl = "sqlite:///{home.path}/jobrunner.db"\n')
    return other


def test_two_homes_do_not_run_on_one_database(home: TestHome, tmp_path: Path) -> None:
    """Each would look for the other's lock files in its own work folder, and take the living for dead."""
    other = on_the_database_of(home, tmp_path / "other")
    home.package("p")
    running = home.start("run")
    wait_until((home.archive / "p").exists)
    said = complaint(other.jobrunner("scan"))
    assert f"the database {home.path}/jobrunner.db is used by a jobrunner with the work folder {home.work}" in said
    running.terminate()
    running.communicate()
    assert other.jobrunner("run", "--drain").returncode == 0
    assert home.jobrunner("run", "--drain").returncode == 0


def test_nor_when_they_start_at_the_same_moment(home: TestHome, tmp_path: Path) -> None:
    exit_of = Exits(None, print).of
    one, other = home.open(), on_the_database_of(home, tmp_path / "other").open()

    def supervisor_of(opened: Home) -> Supervisor:
        told = serving(opened)
        return supervisor(opened, exit_of, reloading(opened, told), told)

    first = supervisor_of(other)
    with pytest.raises(ConfigurationError, match="is used by a jobrunner with the work folder"):
        supervisor_of(one)
    assert os.listdir(home.work / ".workers") == []
    first.leave()
    supervisor_of(one).leave()


def test_a_copy_of_the_database_is_no_second_home_on_it(home: TestHome, tmp_path: Path) -> None:
    present = home.open().presence.appear()
    other = TestHome(tmp_path / "other")
    shutil.copy(home.path / "jobrunner.db", other.path)
    assert other.jobrunner("status").returncode == 0
    present.leave()


def test_another_work_folder_may_be_set_when_nothing_runs(home: TestHome) -> None:
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    home.configure('[folders]\nwork = "scratch"\n')
    home.package("q")
    assert home.jobrunner("run", "--drain").returncode == 0


def test_a_home_that_was_moved_goes_on(home: TestHome, tmp_path: Path) -> None:
    home.package("p")
    assert home.jobrunner("scan").returncode == 0
    moved = TestHome(home.path.rename(tmp_path / "moved"))
    assert moved.jobrunner("work", "--drain").returncode == 0
    assert moved.counts()["done"] == 1
