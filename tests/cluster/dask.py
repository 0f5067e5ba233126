"""A Dask cluster of real processes: a scheduler and nodes, each a tree of its own, with certificates."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.campaign.processes import descendants
from tests.support import clean_environment, wait_until

#: Seconds after which a broken link is noticed by those at its ends, and which a node that is cut off needs in all.
TCP = 11
NODE_TIMEOUT = 2 * TCP + 10
#: What Dask is told of that, in the environment of all.
TIMEOUTS = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": f"{TCP}s", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s"}


def make_certificate(folder: Path, name: str, signer: str = "ca", *, days: float = 1) -> None:
    """Write NAME.pem and NAME.key, signed by another one of the folder, or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signing = subject, key
    if signer != name:
        issuer = x509.load_pem_x509_certificate((folder / f"{signer}.pem").read_bytes()).subject
        loaded = serialization.load_pem_private_key((folder / f"{signer}.key").read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signing = loaded
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=signer == name, path_length=None), critical=True)
        .sign(signing, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(text)
    (folder / f"{name}.key").chmod(0o600)


@dataclass
class Process:
    """A scheduler or a node. What stands `before` its program may lead that to other mounts or another network."""

    words: Sequence[str]
    environment: dict[str, str]
    log: Path
    before: Sequence[str] = ()
    popen: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [*self.before, sys.executable, "-m", "dask", *self.words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self.popen
        return self.popen.pid

    def has_ended(self) -> bool:
        return self.popen is None or self.popen.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the program, and nothing else of its tree."""
        if not self.has_ended():
            self.signal(signal.SIGKILL)
            assert self.popen
            self.popen.wait()

    def kill_tree(self, spare: Callable[[int], bool] = lambda _pid: False) -> None:
        """Kill it and all below it, as the loss of a whole machine does; `spare` says what lives on."""
        doomed = [self.pid, *(pid for pid in descendants(self.pid) if not spare(pid))]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in doomed:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        assert self.popen
        self.popen.wait()


class Dask:
    """A scheduler and its nodes. `place`: the scheduler's address and port, else a free one of this machine."""

    def __init__(
        self, folder: Path, place: str | None = None, *, before: Sequence[str] = (), **environment: str
    ) -> None:
        self.folder = folder
        self.nodes: dict[str, Process] = {}
        make_certificate(folder, "ca", "ca")
        make_certificate(folder, "all")
        self.address = f"tls://{place or _free_place()}"
        words = ["scheduler", "--host", self.address, "--no-dashboard", "--no-show", "--no-jupyter", *self._tls]
        self.scheduler = Process(words, self._environment("scheduler") | environment, folder / "scheduler.log", before)

    @property
    def settings(self) -> str:
        """The section of jobrunner.toml."""
        return (
            f'[cluster]\naddress = "{self.address}"\ntls_ca = "{self.folder}/ca.pem"\n'
            f'tls_cert = "{self.folder}/all.pem"\ntls_key = "{self.folder}/all.key"\nnode_timeout = "{NODE_TIMEOUT}s"\n'
        )

    def node(
        self,
        name: str,
        *options: str,
        slots: int = 2,
        before: Sequence[str] = (),
        host: str = "127.0.0.1",
        preload: bool = True,
        **environment: str,
    ) -> Process:
        """Start a node, and wait until the scheduler knows it."""
        words = ["worker", self.address, "--name", name, "--nthreads", str(slots), "--no-nanny", "--no-dashboard"]
        words += ["--host", host, "--local-directory", str(self.folder / name), *self._tls, *options]
        words += ["--preload", "jobrunner.cluster.node"] if preload else []
        process = Process(words, self._environment(name) | environment, self.folder / f"{name}.log", before)
        self.nodes[name] = process
        self.start(process)
        return process

    def start(self, node: Process) -> None:
        """Start a node, once more if it had been started before, and wait until the scheduler knows it."""
        before = node.log.read_text().count("Registered to") if node.log.exists() else 0
        node.start()
        wait_until(lambda: node.log.read_text().count("Registered to") > before)

    def start_scheduler(self) -> None:
        self.scheduler.start()
        wait_until(lambda: "Scheduler at" in self.scheduler.log.read_text())

    def end(self) -> None:
        for process in [*self.nodes.values(), self.scheduler]:
            if not process.has_ended():
                process.kill_tree()

    @property
    def _tls(self) -> list[str]:
        files = {"ca-file": "ca.pem", "cert": "all.pem", "key": "all.key"}
        return [word for option, file in files.items() for word in (f"--tls-{option}", str(self.folder / file))]

    def _environment(self, name: str) -> dict[str, str]:
        """What a machine of its own has: its own folder for what is temporary."""
        temporary = self.folder / f"tmp-{name}"
        temporary.mkdir(exist_ok=True)
        return clean_environment() | TIMEOUTS | {"TMPDIR": str(temporary)}


def _free_place() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def started(folder: Path) -> Iterator[Dask]:
    """A cluster with two nodes, a and b, of two slots each."""
    dask = Dask(folder)
    try:
        dask.start_scheduler()
        dask.node("a")
        dask.node("b")
        yield dask
    finally:
        dask.end()
