"""What passes between a worker, the dispatcher and a node: one run of the handler, and how it ended."""

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jobrunner.domain.settings import ProcessSettings


@cache
def our_version() -> str:
    """Return jobrunner's version. Server and nodes have to have the same: what is sent is not the same in another."""
    from importlib.metadata import version  # noqa: PLC0415  (it takes long, and no worker needs it)

    return version("jobrunner")


class Setup(NamedTuple):
    """How a node runs the handler, whichever package it is: `process` as in the settings, `keep_free` in bytes."""

    home: Path
    process: ProcessSettings
    keep_free: int
    umask: int

    def as_message(self) -> dict[str, Any]:
        """Return it as a message, for `of`."""
        home, process, keep_free, umask = self
        return {"home": str(home), "process": asdict(process), "keep_free": keep_free, "umask": umask}

    @classmethod
    def of(cls, message: dict[str, Any]) -> "Setup":
        """Return what a message of the same version is."""
        process = dict(message["process"])
        if process["command"] is not None:
            process["command"] = tuple(process["command"])
        if process["environment"] is not None:
            process["environment"] = tuple((name, text) for name, text in process["environment"])
        return cls(Path(message["home"]), ProcessSettings(**process), message["keep_free"], message["umask"])


class Lost(NamedTuple):
    """A run of the handler of which no result comes any more; it may not have been started. `why` in words."""

    why: str
