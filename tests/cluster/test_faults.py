"""What can happen to a cluster is not the package's fault: nothing is counted, nothing is lost, nothing runs twice."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.campaign.processes import descendants, is_guard, send
from tests.cluster.dask import Process
from tests.cluster.support import WAITS, ClusterHome
from tests.scripts import PRELUDE, Note, journal, lives, outcomes, parent_of, story
from tests.support import children_of, control_group, kill, processes_of, wait_until

UNCOUNTED = ["fault", "done"]


@pytest.fixture
def running(home: ClusterHome) -> Note:
    """The first attempt at the package p waits on a node; later ones end at once."""
    home.handler(
        f"{PRELUDE}start()\nif ATTEMPT == 1 and NAME == 'p':\n    escape()\n    wait_for('never')\n",
        retry='backoff = "0.01s"',
    )
    home.package("p")
    return home.running()


def node_of(home: ClusterHome, note: Note) -> Process:
    """The node below which a handler runs."""
    above = [note.pid]
    while above[-1] > 1:
        above.append(parent_of(above[-1]))
    return next(node for node in home.dask.nodes.values() if node.pid in above)


def dispatcher_of(home: ClusterHome) -> int:
    [supervisor] = home.started
    names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children_of(supervisor.pid)}
    return next(pid for pid, name in names.items() if b"dispatcher" in name)


def assert_done_at_the_second_try(home: ClusterHome, *, first: str = "fault") -> None:
    wait_until(lambda: home.counts()["done"] == 1)
    assert outcomes(home) == [first, "done"]
    assert journal(home.path, "overlap") == []
    assert [note.attempt for note in journal(home.path, "start")] == [1, 2]
    job = story(home).job
    assert (job.failures, job.crashes) == (0, int(first == "crashed"))


def handlers_of(home: ClusterHome) -> list[int]:
    living = [process.pid for process in home.started if process.poll() is None]
    supervised = {pid for supervisor in living for pid in (supervisor, *children_of(supervisor))}
    return [pid for pid in processes_of(home) if pid not in supervised]


def test_row_61_the_worker_is_killed_before_a_node_has_begun(home: ClusterHome) -> None:
    home.handler(f"{PRELUDE}{WAITS}", retry='backoff = "0.01s"')
    held = home.hold()
    for name in ("p0", "p1", "p2", "p3"):
        home.package(name)
    home.running("run", "-n", "5")
    wait_until(lambda: len(journal(home.path, "start")) == 4)  # all slots
    home.package("p")
    wait_until(lambda: home.counts()["running"] == 5 and home.show("p")["step"] == "waiting for a node")
    kill(story(home).attempts[0].worker_pid)
    wait_until(lambda: outcomes(home)[0] == "crashed")
    held.unlink()
    wait_until(lambda: home.counts()["done"] == 5)
    assert [note.attempt for note in journal(home.path, "end") if note.package == "p"] == [2]


def test_row_63_the_worker_is_killed_before_it_has_the_answer(home: ClusterHome) -> None:
    home.handler(f"{PRELUDE}{WAITS}", retry='backoff = "0.01s"')
    held = home.hold()
    home.package("p")
    home.running()
    dispatcher = dispatcher_of(home)
    os.kill(dispatcher, signal.SIGSTOP)
    held.unlink()
    [workspace] = home.work.glob("[0-9]*")
    wait_until(lambda: os.path.lexists(workspace / "ended-1"))
    kill(story(home).attempts[0].worker_pid)
    os.kill(dispatcher, signal.SIGCONT)
    wait_until(lambda: home.counts()["done"] == 1)
    assert outcomes(home) == ["crashed", "done"]
    assert journal(home.path, "overlap") == []


def test_row_65_the_dask_worker_is_killed(home: ClusterHome, running: Note) -> None:
    guard = parent_of(running.pid)
    assert is_guard(guard)
    node_of(home, running).kill()
    assert_done_at_the_second_try(home)
    assert "lost" in (home.errors()[0] or "")
    wait_until(lambda: not lives(guard))


def test_row_66_the_guard_is_killed(home: ClusterHome, running: Note) -> None:
    kill(parent_of(running.pid))
    assert_done_at_the_second_try(home)
    wait_until(lambda: handlers_of(home) == [])


def test_row_64_the_dispatcher_is_killed(home: ClusterHome, running: Note) -> None:
    kill(dispatcher_of(home))
    assert_done_at_the_second_try(home)
    assert "has ended" in (home.errors()[0] or "")


@pytest.mark.parametrize("lost", ["dispatcher", "scheduler"])
def test_row_71_the_guard_hangs_when_its_run_is_to_end(home: ClusterHome, running: Note, lost: str) -> None:
    """It waits for the file server, which is not reached either; that it is stopped stands for that."""
    os.kill(parent_of(running.pid), signal.SIGSTOP)
    if lost == "dispatcher":
        kill(dispatcher_of(home))
    else:
        home.dask.scheduler.kill()
    wait_until(lambda: handlers_of(home) == [])
    if lost == "scheduler":
        home.dask.start_scheduler()
        for node in home.dask.nodes.values():
            wait_until(node.has_ended)
            home.dask.start(node)
    assert_done_at_the_second_try(home)


@contextmanager
def frozen(guard: int) -> Iterator[None]:
    """So it is while it waits for what it has written to reach the file server: it cannot even be killed."""
    with control_group("freezer") as group:
        (group / "cgroup.procs").write_text(str(guard))
        (group / "freezer.state").write_text("FROZEN")
        try:
            yield
            assert lives(guard)
        finally:
            (group / "freezer.state").write_text("THAWED")


def test_row_71_a_guard_that_cannot_even_be_killed_saves_no_handler(home: ClusterHome, running: Note) -> None:
    guard = parent_of(running.pid)
    with frozen(guard):
        kill(dispatcher_of(home))
        wait_until(lambda: set(handlers_of(home)) <= {guard})
    assert_done_at_the_second_try(home)


def test_row_71_a_nanny_that_kills_what_does_not_end_saves_no_handler(home: ClusterHome) -> None:
    """Told to end, it gives the Dask worker 4 s, and with the worker what would end a guard is gone."""
    nanny = home.dask.node("watched", "--nanny", slots=8)
    home.handler(f"{PRELUDE}start()\nif ATTEMPT == 1:\n    escape()\n    wait_for('never')\n")
    home.start("run")
    wait_until(lambda: [node for node in home.status()["nodes"] if node["name"].endswith(":watched")])
    home.package("p")
    guard = parent_of(wait_until(lambda: journal(home.path, "start"))[0].pid)
    with frozen(guard):
        nanny.signal(signal.SIGTERM)
        wait_until(lambda: set(handlers_of(home)) <= {guard})


def test_row_72_the_dask_worker_is_killed_while_its_guard_hangs(home: ClusterHome, running: Note) -> None:
    guard, node = parent_of(running.pid), node_of(home, running)
    with frozen(guard):
        node.kill()
        assert lives(running.pid)
        home.dask.start(node)
        wait_until(lambda: set(handlers_of(home)) <= {guard})


def test_row_62_the_worker_is_killed(home: ClusterHome, running: Note) -> None:
    kill(story(home).attempts[0].worker_pid)
    assert_done_at_the_second_try(home, first="crashed")


def test_all_of_it_is_killed_here(home: ClusterHome, running: Note) -> None:
    [process] = home.started
    tree = [process.pid, *descendants(process.pid)]
    send(tree, signal.SIGSTOP)  # else a worker could note that the dispatcher has ended
    send(tree, signal.SIGKILL)
    process.wait()
    wait_until(lambda: handlers_of(home) == [])
    home.start("run")
    assert_done_at_the_second_try(home, first="interrupted")


def test_a_stop_lets_it_end(home: ClusterHome) -> None:
    home.handler(f"{PRELUDE}{WAITS}")
    held = home.hold()
    home.package("p")
    home.running()
    [process] = home.started
    process.terminate()
    assert process.stderr
    while "stop" not in process.stderr.readline():
        pass
    held.unlink()
    process.communicate()
    assert home.outcomes() == ["done"]


def test_row_69_the_scheduler_is_killed_and_comes_back(home: ClusterHome, running: Note) -> None:
    """Workers claim nothing meanwhile, say so once, and go on by themselves."""
    dask = home.dask
    dask.scheduler.kill()
    for node in dask.nodes.values():
        wait_until(node.has_ended)  # whatever starts them starts them again
    trouble = wait_until(lambda: home.status()["troubles"])[0]
    assert "scheduler" in trouble
    home.package("q")
    wait_until(lambda: home.counts()["queued"] + home.counts()["waiting"] == 2)
    dask.scheduler.start()
    dask.start(dask.nodes["a"])
    wait_until(lambda: home.counts()["done"] == 2)
    assert outcomes(home) == ["fault", "done"]
    assert outcomes(home, "q") == ["done"]
    [process] = home.started
    process.terminate()
    said = process.communicate()[1]
    assert said.count(" trouble ") <= 3, said


def _starts_after(home: ClusterHome, attempt: int) -> list[Note]:
    return journal(home.path, "start")[attempt:]


def test_preemption_of_a_node_condemns_nothing(home: ClusterHome) -> None:
    """A batch system ends a node by SIGTERM, as often as it likes."""
    home.handler(f"{PRELUDE}start()\nif ATTEMPT <= 4: wait_for('never')\n", retry='backoff = "0.01s"')
    home.package("p")
    home.running()
    for attempt in range(4):
        node = node_of(home, wait_until(partial(_starts_after, home, attempt))[0])
        node.signal(signal.SIGTERM)
        wait_until(node.has_ended)
        home.dask.start(node)
    wait_until(lambda: home.counts()["done"] == 1)
    assert outcomes(home) == ["fault"] * 4 + ["done"]
    assert journal(home.path, "overlap") == []


def test_without_a_node_nothing_is_claimed(home: ClusterHome) -> None:
    home.handler("")
    for node in home.dask.nodes.values():
        node.kill_tree()
    home.package("p")
    process = home.start("run")
    trouble = wait_until(lambda: home.status()["troubles"])[0]
    assert "has no node: start one with dask worker" in trouble
    assert home.counts()["queued"] == 1
    assert "no node" in home.jobrunner("status").stdout
    home.dask.start(home.dask.nodes["b"])
    wait_until(lambda: home.counts()["done"] == 1)
    assert outcomes(home) == ["done"]
    process.terminate()


def test_a_dispatcher_stays_as_long_as_a_worker_may_need_it(home: ClusterHome) -> None:
    """A worker that is asked to end may just have claimed: its run has its grace."""
    home.handler("")
    process = home.start("run", "-n", "1")
    wait_until(lambda: len(home.status()["nodes"]) >= 2)
    home.package("p")
    wait_until(lambda: home.counts()["done"] == 1)
    dispatcher = dispatcher_of(home)
    os.kill(dispatcher, signal.SIGTERM)
    home.package("q")
    wait_until(lambda: home.counts()["done"] == 2)
    assert outcomes(home, "q") == ["done"]
    assert lives(dispatcher)
    process.terminate()
    process.communicate()
    assert not lives(dispatcher)


def test_a_reload_is_for_nodes_too(home: ClusterHome) -> None:
    home.handler('import os\nopen(os.environ["JOBRUNNER_DATA"] + "/by", "w").write(os.environ["VERSION"])')
    settings = (
        (home.path / "jobrunner.toml").read_text().replace("[process]", '[process]\nenvironment = { VERSION = "1" }')
    )
    (home.path / "jobrunner.toml").write_text(settings)
    home.start("run", "-n", "2")
    home.package("p")
    wait_until(lambda: home.counts()["done"] == 1)
    dispatcher = dispatcher_of(home)
    (home.path / "jobrunner.toml").write_text(settings.replace('"1"', '"2"'))
    assert home.jobrunner("reload").returncode == 0
    wait_until(lambda: len(story(home).attempts) == 1 and _has_new_workers(home))
    home.package("q")
    wait_until(lambda: home.counts()["done"] == 2)
    assert [(home.archive / name / "by").read_text() for name in ("p", "q")] == ["1", "2"]
    assert dispatcher_of(home) == dispatcher


def _has_new_workers(home: ClusterHome) -> bool:
    """Whether none of the workers is left that have begun before the reload."""
    with home.open() as opened:
        first = story(home).attempts[0].worker_pid
        pids = [worker.pid for worker in opened.store.workers.not_ended()]
    return len(pids) == 2 and min(pids) > first


def test_a_drain_of_nothing_needs_no_node(home: ClusterHome) -> None:
    home.handler("")
    for node in home.dask.nodes.values():
        node.kill_tree()
    assert home.jobrunner("run", "--drain").returncode == 0


def test_a_node_of_another_version_gets_no_package(home: ClusterHome, tmp_path: Path) -> None:
    other = tmp_path / "other" / "jobrunner-9.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: jobrunner\nVersion: 9.9\n")
    home.dask.node("newer", PYTHONPATH=str(other.parent))
    home.handler("")
    for name in "pqr":
        home.package(name)
    result = home.jobrunner("run", "--drain")
    [line] = [line for line in result.stderr.splitlines() if "gets no package" in line]
    assert ":newer gets no package: it has jobrunner 9.9, the server 0.1.0: install that one there" in line
    assert result.returncode == 0


def test_a_dask_worker_that_is_no_node_gets_none(home: ClusterHome) -> None:
    home.dask.node("plain", preload=False)
    home.handler("")
    home.package("p")
    result = home.jobrunner("run", "--drain")
    assert "gets no package: it is no node: start it with --preload jobrunner.cluster.node" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have a node see other mounts")
def test_a_node_that_does_not_see_the_work_folder_gets_none(home: ClusterHome) -> None:
    home.handler("")
    home.package("p")
    home.work.mkdir()
    mount = 'mount -t tmpfs none "$0" && exec "$@"'
    home.dask.node(
        "elsewhere", before=["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, str(home.work)]
    )
    result = home.jobrunner("run", "--drain")
    [line] = [line for line in result.stderr.splitlines() if "gets no package" in line]
    assert f"it cannot work in {home.work}: " in line
    assert result.returncode == 0
