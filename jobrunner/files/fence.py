"""The fence of an attempt whose handler runs on a node: links in its work folder, which no engine has to vouch for.

`log-N` is there before the attempt is offered to a cluster: it is the attempt's log, under a name that nodes see.
Whoever makes `started-N` first decides: a node, whose name it leads to, or whoever takes the job over, who forbids the
start with it. `ended-N` says that nothing is left of what was started. A link is made in one step with what it says,
and on NFS as well; none is removed before all of the work folder is, whichever attempt has that by then.
"""

import os
import re
from contextlib import suppress

from jobrunner.domain.package import printable

#: Where a node proves that it sees the work folder: a folder in it.
PROBES = ".cluster"
#: Characters of a node's name that is read.
_LONGEST = 100
_PART = re.compile(r"(?:log|started|ended)-[0-9]{1,18}")
#: What `started-N` leads to where no node may start any more.
_FORBIDDEN = "-"


class StartedAlready(Exception):  # noqa: N818  (what happened, not an error)
    """Another process has made `started-N` before."""


def offer(folder: str, attempt: int, log_path: str) -> str:
    """Allow a node to start attempt N, and return the path of its log. Raises OSError."""
    path = f"{folder}/log-{attempt}"
    with suppress(FileExistsError):  # the attempt goes on
        os.link(log_path, path)
    return path


def begin(folder: str, attempt: int, node: str) -> None:
    """Record on a node that attempt N starts there. Raises StartedAlready, OSError where it must not start."""
    os.lstat(f"{folder}/log-{attempt}")
    try:
        os.symlink(node, f"{folder}/started-{attempt}")
    except FileExistsError as error:
        raise StartedAlready(node) from error


def end(folder: str, attempt: int) -> None:
    """Record on a node that nothing is left of what was started in attempt N. Raises OSError."""
    with suppress(FileExistsError):
        os.symlink("-", f"{folder}/ended-{attempt}")


def is_offered(folder: str, attempt: int) -> bool:
    """Say whether attempt N has been offered to a cluster."""
    return os.path.lexists(f"{folder}/log-{attempt}")


def has_ended(folder: str, attempt: int) -> bool:
    """Say whether nothing is left of what a node started in attempt N."""
    return os.path.lexists(f"{folder}/ended-{attempt}")


def node_of(folder: str, attempt: int) -> str | None:
    """Return the node on which attempt N was started, None where it was not. Raises nothing."""
    with suppress(OSError):
        node = os.readlink(f"{folder}/started-{attempt}")
        return None if node == _FORBIDDEN else printable(node)[:_LONGEST]
    return None


def forbid(folder: str, attempt: int) -> str | None:
    """Forbid for ever that attempt N starts; return the node on which it did before, None where it never will.

    Raises OSError.
    """
    with suppress(FileExistsError):
        os.symlink(_FORBIDDEN, f"{folder}/started-{attempt}")
    return node_of(folder, attempt)


def is_part(name: str) -> bool:
    """Say whether what has this name in a work folder belongs to a fence."""
    return _PART.fullmatch(name) is not None
