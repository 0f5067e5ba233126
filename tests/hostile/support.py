"""A home of one user's, an inbox that another writes to, something private that must stay so, and what to look for."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.hostile.people import EXCHANGE, SENDER, SERVICE, Step, attack
from tests.messages import met_a_bug
from tests.support import PATIENCE
from tests.users import ROOT, User, UsersHome

#: Seconds of processor time that an attacker has for a race; on a busy machine that takes longer. Against the code
#: before there were such tests, each race is won within them: where it needs luck, in a long one.
RACE = 1.0
LONG_RACE = 2.0

_LONGEST_PATH = 4000  # bytes, less than PATH_MAX

SECRET = b"what the sender must neither see nor change\n"

#: What a package is worth whose sender does no harm: its zip has this member.
MEMBERS = {"data.txt": "42\n"}

Harmed = dict[str, tuple[object, ...]]


class Place(NamedTuple):
    """Whose the service is, and whether a package can be renamed from the inbox or has to be copied."""

    service: User
    across: bool

    def __str__(self) -> str:
        return f"{'root' if self.service == ROOT else 'user'}-{'across' if self.across else 'beside'}"


USER, USER_ACROSS, AS_ROOT, ROOT_ACROSS = (Place(who, across) for who in (SERVICE, ROOT) for across in (False, True))


def places(*chosen: Place) -> pytest.MarkDecorator:
    """Run a test in each of these places; without any, in all four."""
    found = chosen or (USER, USER_ACROSS, AS_ROOT, ROOT_ACROSS)
    return pytest.mark.parametrize("home", found, indirect=True, ids=map(str, found))


def races_in(first: Place, *others: Place) -> pytest.MarkDecorator:
    """Run a race in the first place, and in the others (without any, in all) where `make crash` does."""
    rest = others or tuple(place for place in (USER, USER_ACROSS, AS_ROOT, ROOT_ACROSS) if place != first)
    found = [first, *(pytest.param(place, marks=pytest.mark.campaign) for place in rest)]
    return pytest.mark.parametrize("home", found, indirect=True, ids=map(str, (first, *rest)))


class HostileHome(UsersHome):
    """A home of the service's user beside others' files; its command line is run as that user."""

    def __init__(self, ground: Path, abroad: Path, place: Place, python: list[str]) -> None:
        """`ground`: a folder that everybody can traverse; `abroad`: another one, on another filesystem."""
        super().__init__(ground / "home", place.service, python)
        self.across = place.across
        self._held = ExitStack()
        self.inbox.rmdir()
        beside_inbox = abroad if place.across else ground
        self.inbox = beside_inbox / "inbox"
        self.stash = beside_inbox / "stash"
        self.private = ground / "private"
        self.inbox.mkdir()
        self._give(self.inbox, 0o2775, EXCHANGE)
        self.stash.mkdir()
        os.chown(self.stash, SENDER.uid, EXCHANGE)
        self.stash.chmod(0o2775)
        self._give(self.path, 0o755)
        self._make_private()
        self.let()

    def _make_private(self) -> None:
        """Make files that only the service can read. They look like a package: whatever is taken for one goes on."""
        self.package("p", MEMBERS, {"secret": SECRET, "sub/secret": SECRET}, folder=self.path).rename(self.private)
        for path in [self.private, *self.private.rglob("*")]:
            self._give(path, 0o700 if path.is_dir() else 0o600)
        self._private = state(self.private)

    def _give(self, path: Path, mode: int, group: int | None = None) -> None:
        os.chown(path, self.user.uid, self.user.uid if group is None else group)
        path.chmod(mode)

    def let(self, script: str | None = None, **settings: str) -> None:
        """Configure a shell script as the handler, or none; and settings, TOML source, as in extract__max_size."""
        sections: dict[str, dict[str, str]] = {"folders": {"inbox": f'"{self.inbox}"'}, "retry": {"backoff": '"1s"'}}
        if script is not None:
            (self.path / "handler.sh").write_text(script)
            self._give(self.path / "handler.sh", 0o644)
            sections["process"] = {"command": '["sh", "handler.sh"]'}
        for key, value in settings.items():
            section, _, name = key.partition("__")
            sections.setdefault(section, {})[name] = value
        lines = [
            line
            for section, values in sections.items()
            for line in (f"[{section}]", *(f"{name} = {value}" for name, value in values.items()))
        ]
        self.configure("\n".join(lines))
        self._give(self.path / "jobrunner.toml", 0o644)

    def deliver(
        self,
        name: str = "p",
        members: Mapping[str, bytes | str] | None = None,
        beside: Mapping[str, bytes] | None = None,
        *,
        to: Path | None = None,
        by: User = SENDER,
        umask: int = 0o002,
    ) -> Path:
        """Deliver a package as the sender; `to` its stash, something can be done to it before it is in the inbox."""
        with by.acting(umask):
            return self.package(name, members or MEMBERS, beside, folder=to)

    def arrive(self, package: Path) -> Path:
        """Bring a package from the stash to the inbox."""
        return package.rename(self.inbox / package.name)

    def drain(self) -> subprocess.CompletedProcess[str]:
        """Run everything to its end."""
        result = self.jobrunner("run", "-n", "2", "--drain")
        assert not met_a_bug(result.stderr), result.stderr
        assert result.returncode in {0, 1}, result.stderr
        return result

    def race(self, *steps: Step, seconds: float = RACE) -> None:
        """Start jobrunner again and again while the sender repeats these steps; then it must come to its end by itself.

        What is private must have been left alone.
        """
        with attack(SENDER, *steps) as attacker:
            process = None
            while (left := seconds - processor_seconds(attacker)) > 0:
                if process is None or process.poll() is not None:  # never two at once
                    process = self.start("run", "-n", "2", "--drain")
                with suppress(subprocess.TimeoutExpired):
                    process.communicate(timeout=left)
        self.assert_private_is_private()
        assert process
        process.communicate(timeout=PATIENCE)
        self.drain()
        self.assert_private_is_private()

    def held(self, path: Path, flags: int = os.O_RDONLY) -> int:
        """A descriptor that the sender has opened, and holds until the test ends."""
        with SENDER.acting():
            descriptor = os.open(path, flags)
        self._held.callback(os.close, descriptor)
        return descriptor

    def end_all(self) -> None:
        super().end_all()
        self._held.close()

    def show(self, name: str) -> dict[str, Any]:
        if self.before:
            return self.asked("show", "--json", name)
        with self.user.acting():
            return super().show(name)

    def status(self) -> dict[str, Any]:
        if self.before:
            return self.asked("status", "--json")
        with self.user.acting():
            return super().status()

    def delivered(self) -> list[str]:
        """What lies in the inbox for everybody to see."""
        return sorted(name for name in os.listdir(self.inbox) if not name.startswith("."))

    def check(self) -> list[dict[str, Any]]:
        """What `jobrunner check` finds."""
        result = self.jobrunner("check", "--json")
        assert not met_a_bug(result.stderr), result.stderr
        differences: list[dict[str, Any]] = json.loads(result.stdout)["differences"]
        assert result.returncode == int(bool(differences)), result.stderr
        return differences

    def ended(self, name: str = "p") -> dict[str, Any]:
        """The story of a job that has ended; of one that failed, with a plain line that says why."""
        job = self.show(name)
        assert job["state"] in {"done", "failed"}, job
        if job["state"] == "failed":
            assert_plain(job["error"])
        return job

    def assert_all_is_well(self) -> None:
        """Packages have been put away as the service's own, nothing is left behind, and database and folders agree."""
        for path in [*files_below(self.archive), *files_below(self.failed)]:
            status = path.lstat()
            is_folder = stat.S_ISDIR(status.st_mode)
            assert is_folder or stat.S_ISREG(status.st_mode), f"{path} is neither a file nor a folder"
            assert (status.st_uid, status.st_gid) == (self.user.uid, self.user.uid), f"{path} is not the service's"
            allowed = {0o755} if is_folder else {0o644 | status.st_mode & 0o111}
            assert stat.S_IMODE(status.st_mode) in allowed, f"{path} has the mode {stat.S_IMODE(status.st_mode):o}"
        left = {str(path.relative_to(self.work)) for path in files_below(self.work)}
        assert {path for path in left if not path.startswith((".home", ".workers"))} == set(), left
        assert self.check() == []

    def assert_private_is_private(self) -> None:
        """What is private is as it was, and can be read nowhere else."""
        after = state(self.private)
        changed = sorted(path for path in after | self._private if after.get(path) != self._private.get(path))
        assert not changed, f"changed, gone or new: {changed}"
        for folder in (self.archive, self.failed, self.work, self.logs, self.inbox, self.stash):
            for path in files_below(folder):
                with suppress(FileNotFoundError):  # jobrunner may be at work
                    if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**20:
                        assert SECRET not in path.read_bytes(), f"a secret lies in {path}"


def assert_plain(error: str | None) -> None:
    """An error that a user sees is one line of words."""
    assert error
    assert len(error.splitlines()) == 1, error
    assert "Errno" not in error, error


def processor_seconds(pid: int) -> float:
    """The time for which a process has run."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def files_below(folder: Path) -> Iterator[Path]:
    """Yield what lies below a folder, as far as a path can name it, no link followed; what is moved is left out."""
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if len(os.fsencode(path)) + len(os.fsencode(name)) < _LONGEST_PATH]
        yield from (Path(path, name) for name in (*folders, *files))


def state(folder: Path) -> Harmed:
    """All that can be told of a folder and what it holds: whoever touches any of it changes that (ctime)."""
    found: Harmed = {}
    for path in [folder, *files_below(folder)]:
        status = path.lstat()
        content: object = None
        if path.is_symlink():
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        owned = (status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_nlink)
        found[str(path)] = (*owned, status.st_size, status.st_mtime_ns, status.st_ctime_ns, content)
    return found
