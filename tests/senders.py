"""Real senders: the programs with which people deliver, slowed down, and the servers that receive from them."""

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.support import PATIENCE, clean_environment, wait_until

#: Which package of Debian brings a program.
_BROUGHT_BY = {
    "rsync": "rsync",
    "scp": "openssh-client",
    "sftp": "openssh-client",
    "ssh-keygen": "openssh-client",
    "smbclient": "smbclient",
    "smbd": "samba",
    "sshd": "openssh-server",
}
#: Servers are not in everybody's PATH.
_PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
_PRIVILEGE_SEPARATION = Path("/run/sshd")  # of root's sshd; an empty folder, which its service makes, too
_PIECE = 64 * 1024  # bytes that are written into a pipe at once


class Way(NamedTuple):
    """The way of one package: which folder is sent where, at how many bytes per second."""

    source: Path
    inbox: Path
    rate: int
    ssh_config: Path
    smb_port: int


class Sender(NamedTuple):
    """A program that delivers a folder, and what it needs. One that cannot be slowed down reads from a pipe."""

    needs: tuple[str, ...]
    words: Callable[[Way], list[str]]
    from_pipe: bool = False


def rsync(*options: str) -> Sender:
    """Return rsync with these options, in which {outbox} is where the packages come from."""

    def words(way: Way) -> list[str]:
        given = [option.format(outbox=way.source.parent) for option in options]
        return ["rsync", f"--bwlimit={way.rate // 1024}", *given, str(way.source), f"{way.inbox}/"]

    return Sender(("rsync",), words)


def scp(*options: str) -> Sender:
    def words(way: Way) -> list[str]:
        limit = str(way.rate * 8 // 1024)
        return ["scp", "-F", str(way.ssh_config), "-l", limit, *options, "-r", str(way.source), f"here:{way.inbox}/"]

    return Sender(("scp", "ssh-keygen", "sshd"), words)


def sftp(*options: str) -> Sender:
    def words(way: Way) -> list[str]:
        batch = way.source.with_name(f"{way.source.name}.batch")
        batch.write_text(f"put {' '.join(options)} -r {way.source} {way.inbox}/\n", "utf-8")
        return ["sftp", "-F", str(way.ssh_config), "-l", str(way.rate * 8 // 1024), "-b", str(batch), "here"]

    return Sender(("sftp", "ssh-keygen", "sshd"), words)


def samba() -> Sender:
    def words(way: Way) -> list[str]:
        steps = f"prompt off; recurse on; lcd {way.source.parent}; mput {way.source.name}"
        return ["smbclient", "-s", os.devnull, "-p", str(way.smb_port), "-U%", "//127.0.0.1/inbox", "-c", steps]

    return Sender(("smbclient", "smbd"), words, from_pipe=True)


def cp(*options: str) -> Sender:
    def words(way: Way) -> list[str]:
        return ["cp", "-r", "--copy-contents", *options, str(way.source), f"{way.inbox}/"]

    return Sender((), words, from_pipe=True)


class Site:
    """An inbox with servers of its own, and senders that deliver to it. `lacking`: programs that cannot run here."""

    def __init__(self, folder: Path, inbox: Path) -> None:
        """`folder` is made, for what servers and senders keep. The paths have no spaces."""
        self.lacking: dict[str, str] = {}  # with the reason
        self._folder = folder
        self._outbox = folder / "outbox"
        self._inbox = inbox
        self._ssh_config = folder / "ssh_config"
        self._smb_port = 0
        self._started: list[subprocess.Popen[str]] = []

    def start_servers(self) -> None:
        """Start what receives, and find out what is lacking here."""
        self._outbox.mkdir(parents=True)
        for name, package in _BROUGHT_BY.items():
            if shutil.which(name, path=_PATH) is None:
                self.lacking[name] = f"apt install {package}"
        if os.geteuid() != 0:
            self.lacking["smbd"] = "it needs root"
        try:
            user = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            self.lacking["sshd"] = "this user has no name"
            return
        if not self.lacking.keys() & {"ssh-keygen", "sshd"}:
            self._prepare_ssh(user)
        if "smbd" not in self.lacking:
            self._start_smbd(user)

    def end(self) -> None:
        """End all servers and senders."""
        for process in self._started:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=PATIENCE)

    def can(self, sender: Sender) -> bool:
        """Say whether a sender can deliver here."""
        return not self.lacking.keys() & set(sender.needs)

    def send(
        self, name: str, sender: Sender, files: Mapping[str, Path], rate: int, hold: threading.Event | None = None
    ) -> subprocess.Popen[str]:
        """Start to send a folder of this name with these files, at so many bytes per second.

        A sender that reads from pipes is stopped half-way, where it is to `hold` until that is set.
        """
        source = self._outbox / name
        source.mkdir()
        for file, content in files.items():
            if sender.from_pipe:
                os.mkfifo(source / file)
                threading.Thread(target=_feed, args=(content, source / file, rate, hold), daemon=True).start()
            else:
                os.link(content, source / file)
        return self._start(*sender.words(Way(source, self._inbox, rate, self._ssh_config, self._smb_port)))

    def _start(self, *words: str) -> subprocess.Popen[str]:
        """Start a program in a process group of its own: smbd, when it ends, ends its whole group."""
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean_environment() | {"PATH": _PATH},
            process_group=0,
        )
        self._started.append(process)
        return process

    def _prepare_ssh(self, user: str) -> None:
        """Have an sshd started for each connection, as inetd does: it needs no port, and ends with the connection."""
        folder = self._folder
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        _write(
            folder / "sshd_config",
            f"HostKey {folder / 'host_key'}",
            f"AuthorizedKeysFile {folder / 'user_key.pub'}",
            "StrictModes no",
            "PidFile none",
            "LogLevel ERROR",
            "Subsystem sftp internal-sftp",
        )
        _write(
            self._ssh_config,
            f"ProxyCommand {shutil.which('sshd', path=_PATH)} -i -e -f {folder / 'sshd_config'}",
            f"User {user}",
            f"IdentityFile {folder / 'user_key'}",
            "IdentitiesOnly yes",
            "BatchMode yes",
            "LogLevel ERROR",
            f"UserKnownHostsFile {os.devnull}",
            "StrictHostKeyChecking no",
        )
        if os.geteuid() == 0:
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        trial = self._start("ssh", "-F", str(self._ssh_config), "here", "true")
        said = trial.communicate(timeout=PATIENCE)[0]
        if trial.returncode:
            self.lacking["sshd"] = f"it does not let {user} in: {said.strip()}"

    def _start_smbd(self, user: str) -> None:
        folder = self._folder / "smb"
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._smb_port = free.getsockname()[1]
        _write(
            folder / "smb.conf",
            "[global]",
            "interfaces = 127.0.0.1",
            "bind interfaces only = yes",
            *(f"{own} = {folder}" for own in ("private dir", "pid directory", "lock directory", "state directory")),
            *(f"{own} = {folder}" for own in ("cache directory", "ncalrpc dir")),
            "map to guest = Bad User",
            f"guest account = {user}",
            "load printers = no",
            "disable spoolss = yes",
            "[inbox]",
            f"path = {self._inbox}",
            "read only = no",
            "guest ok = yes",
        )
        port, config = str(self._smb_port), str(folder / "smb.conf")
        smbd = self._start("smbd", "-F", "--no-process-group", "--debug-stdout", "-p", port, "-s", config)
        wait_until(lambda: self._smbd_listens() or smbd.poll() is not None)
        if smbd.returncode is not None:
            self.lacking["smbd"] = f"it does not run: {smbd.communicate()[0].strip()[-200:]}"

    def _smbd_listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self._smb_port)) == 0


def _write(path: Path, *lines: str) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _feed(source: Path, pipe: Path, rate: int, hold: threading.Event | None) -> None:
    """Write a file into a pipe at so many bytes per second, until its reader has gone."""
    pause = threading.Event()
    half = source.stat().st_size // 2
    with source.open("rb") as file, suppress(BrokenPipeError), pipe.open("wb", buffering=0) as writing:
        while piece := file.read(_PIECE):
            writing.write(piece)
            pause.wait(len(piece) / rate)
            if hold and file.tell() >= half:
                hold.wait()
