"""A real service manager for tests: systemd, in namespaces of its own and with none of this machine's units."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import children_of, control_group, wait_until

SYSTEMD = Path("/usr/lib/systemd/systemd")
ANALYZE = shutil.which("systemd-analyze")

#: Run in the namespaces, before systemd. It finds its units in empty folders, and the targets that every service needs.
_PREPARE = r"""
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
for folder in /usr/lib/systemd/system /etc/systemd/system /usr/lib/systemd/system-generators; do
    mkdir -p $folder
    mount -t tmpfs -o mode=755 tmpfs $folder
done
for target in sysinit basic shutdown multi-user umount; do
    printf '[Unit]\nDefaultDependencies=no\n' > /usr/lib/systemd/system/$target.target
done
exec "$0" --system --unit=multi-user.target --log-target=null --show-status=no --default-standard-output=null
"""
_NAMESPACES = ["--mount", "--uts", "--ipc", "--cgroup", "--pid", "--fork", "--kill-child", "--mount-proc"]


class Systemd:
    """One that runs. `inside`: the words that have a command run where it does."""

    def __init__(self, first: int) -> None:
        self.inside = ["nsenter", "-t", str(first), "-m", "-p", "-C"]

    def control(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run systemctl to its end."""
        command = [*self.inside, "systemctl", "--no-ask-password", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def install(self, unit: str) -> None:
        """Write jobrunner.service."""
        command = [*self.inside, "tee", "/etc/systemd/system/jobrunner.service"]
        subprocess.run(command, input=unit, stdout=subprocess.DEVNULL, text=True, check=True)
        assert self.control("daemon-reload").returncode == 0

    def state(self, *properties: str) -> list[str]:
        """The values of some properties of jobrunner.service."""
        return [self.control("show", "jobrunner", "--value", "-p", each).stdout.strip() for each in properties]

    def main_pid(self) -> int:
        """The service's main process, by its pid for us."""
        group = self.control("show", "jobrunner", "--value", "-p", "MainPID").stdout.strip()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                status = (process / "status").read_text()
                first = os.readlink(process / "ns" / "pid") == os.readlink(f"/proc/{self.inside[2]}/ns/pid")
            except OSError:
                continue
            if first and f"\t{group}\n" in next(
                line + "\n" for line in status.splitlines() if line.startswith("NSpid")
            ):
                return int(process.name)
        raise AssertionError(f"no process {group}")


@contextmanager
def systemd() -> Iterator[Systemd]:
    """Start one; skip the test, in words, where that is impossible. All that it runs ends with it."""
    if not SYSTEMD.exists():
        pytest.skip(f"there is no {SYSTEMD} here: apt install systemd")
    if os.geteuid() != 0:
        pytest.skip("only root can start systemd in namespaces of its own")
    with control_group() as group:
        enter = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'
        words = ["sh", "-c", enter, "sh", str(group), "unshare", *_NAMESPACES, "sh", "-ec", _PREPARE, str(SYSTEMD)]
        environment = {"PATH": os.environ["PATH"], "container": "other"}
        process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: process.poll() is not None or children_of(process.pid))
            running = Systemd(next(iter(children_of(process.pid)), 0))
            wait_until(lambda: process.poll() is not None or running.control("list-units").returncode == 0)
            if process.poll() is not None:
                pytest.skip(f"systemd cannot run here: {process.communicate()[1].strip()}")
            yield running
        finally:
            process.kill()
            process.communicate()
            wait_until(lambda: "populated 0" in (group / "cgroup.events").read_text())
            for folder, _, _ in os.walk(group, topdown=False):
                if folder != str(group):
                    os.rmdir(folder)
