"""The sides of the comparison: which queue, how its worker is started, how durable it is, what of a killed job.

All but durability is as each is delivered. SQLite's sides flush each commit (`synchronous=FULL`), PostgreSQL each
commit, Redis each write to its append-only file (appendfsync=always) or once a second (everysec, its own default).
"""

import secrets
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import servers

_OURS = Path(sys.executable).parent
_THEIRS = servers.PEERS / "bin"
_SQLITE = "WAL, synchronous=FULL"


@dataclass(frozen=True)
class Side:
    """`command` starts one worker, or as many as wanted where it says {workers}. `keeps`: a killed job is not lost.

    `programs`: the folder with its Python and its programs.
    """

    name: str
    module: str
    command: str
    flushes: str
    killed_job: str
    keeps: bool = True
    server: str | None = None
    appendfsync: str = "always"
    programs: Path = _THEIRS

    @property
    def python(self) -> str:
        return str(self.programs / "python")

    def commands(self, folder: Path, url: str | None, workers: int) -> list[list[str]]:
        """Return the programs that make up this many workers."""
        values = {"bin": self.programs, "python": self.python, "url": url, "workers": workers, "folder": folder}
        programs = 1 if self.is_one_program else workers
        return [
            [word.format(**values, unique=secrets.token_hex(4)) for word in self.command.split()]
            for _ in range(programs)
        ]

    @property
    def is_one_program(self) -> bool:
        """Say whether one program starts all workers."""
        return "{workers}" in self.command and not self.is_loop

    @property
    def is_loop(self) -> bool:
        """Say whether it is a loop of ours around a library, which ends with the last job."""
        return self.command.startswith("{python}")

    @property
    def durability(self) -> str:
        """What this side does before it says that something is stored."""
        return f"{self.flushes}, appendfsync={self.appendfsync}" if self.server == "redis" else self.flushes

    def serve(self, base: Path) -> AbstractContextManager[str | None]:
        """Run the server that is needed, if one is, and give its URL. Raises NotMeasuredError."""
        if not Path(self.python).exists():
            raise servers.NotMeasuredError(f"{self.programs} is not there: make bench makes it")
        match self.server:
            case "redis":
                return servers.redis(base, self.appendfsync)
            case "postgres":
                return servers.postgres(base)
        return nullcontext()


def _loop(name: str, module: str, killed_job: str, programs: Path = _THEIRS) -> Side:
    command = f"{{python}} -m peers.{module} {{folder}} {{workers}}"
    return Side(name, module, command, _SQLITE, killed_job, programs=programs)


OURS = _loop("jobrunner", "jobrunner_store", "runs again", _OURS)
WHOLE = Side(
    "jobrunner run",
    "jobrunner_home",
    "{bin}/jobrunner --home {folder} run -n {workers}",
    _SQLITE,
    "runs again",
    programs=_OURS,
)
CEILING = _loop("ceiling", "ceiling", "-", _OURS)

HUEY = Side(
    "huey, SqliteHuey",
    "huey_sqlite",
    "{bin}/huey_consumer peers.huey_sqlite.huey --workers {workers} --worker-type process --quiet",
    _SQLITE,
    "lost",
    keeps=False,
)
PROCRASTINATE = Side(
    "Procrastinate, PostgreSQL",
    "procrastinate_postgres",
    "{bin}/procrastinate --app peers.procrastinate_postgres.app worker",
    "fsync=on, synchronous_commit=on",
    "kept, for the user to find",
    server="postgres",
)
RQ = Side(
    "RQ, Redis",
    "rq_redis",
    "{bin}/rq worker --url {url} --quiet",
    "append-only file",
    "kept, as failed",
    server="redis",
)
DRAMATIQ = Side(
    "dramatiq, Redis",
    "dramatiq_redis",
    "{bin}/dramatiq peers.dramatiq_redis --processes {workers} --threads 1",
    "append-only file",
    "kept, runs again",
    server="redis",
)
CELERY = Side(
    "Celery, Redis",
    "celery_redis",
    "{bin}/celery --app peers.celery_redis worker --hostname {unique}@bench --concurrency {workers}",
    "append-only file",
    "lost",
    keeps=False,
    server="redis",
)

#: Those that the queue's drain rate is compared with; one also as Redis flushes by default.
PEERS = [
    HUEY,
    _loop("persist-queue, SQLiteAckQueue", "persist_queue", "kept, runs when opened again"),
    _loop("litequeue", "litequeue_sqlite", "kept, for the user to find"),
    PROCRASTINATE,
    RQ,
    DRAMATIQ,
    replace(DRAMATIQ, appendfsync="everysec"),
]
