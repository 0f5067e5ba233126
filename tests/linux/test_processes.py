import os
import signal
import subprocess
import sys

from jobrunner.linux.proc import BOOT_ID
from jobrunner.linux.processes import Process


def test_a_process_is_seen_to_live_until_it_has_ended_a_zombie_does_not_count() -> None:
    code = "from jobrunner.linux.processes import Process; print(*Process.own(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        pid, start, boot_id = child.stdout.readline().split()
        process = Process(int(pid), int(start), boot_id)
        assert process.lives()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not process.lives()
    assert not process.lives()


def test_a_pid_that_another_process_or_another_boot_had_is_none_of_ours() -> None:
    own = Process.own()
    assert own.lives()
    assert not own._replace(start=own.start - 1).lives()
    assert not own._replace(boot_id="00000000-0000-0000-0000-000000000000").lives()
    assert own.boot_id == BOOT_ID


def test_a_stopped_process_lives() -> None:
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    try:
        with open(f"/proc/{pid}/stat") as file:
            start = int(file.read().rpartition(")")[2].split()[19])
        assert Process(pid, start, BOOT_ID).lives()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
