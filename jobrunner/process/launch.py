"""Starts the handler's program, so that it outlives neither the guard nor its limits."""

import os
import subprocess
from pathlib import Path

from jobrunner.linux import kernel
from jobrunner.process.limits import Limits


def start(
    words: tuple[str, ...],
    home: Path,
    environment: dict[str, str],
    limits: Limits,
    output: int,
    *,
    keep: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, under limits, that does not outlive this process."""
    parent = os.getpid()
    account = limits.account
    if account:
        os.fchown(output, account.uid, -1)  # it may open /dev/stdout

    def prepare() -> None:  # it has its session and its account by then; the kernel forgets the parent with the user
        kernel.die_with_parent(parent)
        limits.apply()

    return subprocess.Popen(
        words,
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=account and account.uid,
        group=account and account.gid,
        extra_groups=account and account.groups,
        pass_fds=() if keep is None else (keep,),
        preexec_fn=prepare,  # noqa: PLW1509  (the guard has one thread)
    )
