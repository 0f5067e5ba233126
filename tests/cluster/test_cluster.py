"""Handlers on the nodes of a cluster, as they run at home."""

import json
import os
import re

import pytest

from tests.cluster.support import WAITS, ClusterHome
from tests.scripts import PRELUDE, journal
from tests.support import RECEIPT, processes_of, wait_until


def node_of(home: ClusterHome, name: str = "p") -> str:
    [node] = home.nodes(name)
    assert node is not None
    return node.partition(":")[2]


def test_a_command_runs_on_a_node(home: ClusterHome) -> None:
    home.handler(f'{PRELUDE}\nnote("start", os.getppid())\nprint("calibrated")\n(DATA / "result").write_text("42")')
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    archived = home.archive / "p"
    assert sorted(os.listdir(archived)) == [RECEIPT, "data.txt", "p.zip", "result"]
    assert json.loads((archived / RECEIPT).read_text())["node"] == home.nodes()[0]
    assert (home.logs / "p" / "1.log").read_text() == "calibrated\n"
    assert os.stat(home.logs / "p" / "1.log").st_nlink == 1, "the work folder has gone"
    assert node_of(home) in {"a", "b"}
    assert processes_of(home) == []
    assert home.jobrunner("check").returncode == 0


def test_a_callable_stays_for_the_next_package(home: ClusterHome) -> None:
    (home.path / "analysis.py").write_text(
        "import os\nprint('imported')\ndef process(package):\n"
        "    (package.data / 'pid').write_text(f'{os.getpid()} {package.name} {package.attempt}')\n"
    )
    home.configure('[process]\ncallable = "analysis:process"\n')
    for name in ("p", "q"):
        home.package(name)
        assert home.jobrunner("run", "--drain").returncode == 0
    assert (home.archive / "p" / "pid").read_text().split()[1:] == ["p", "1"]
    assert (home.archive / "q" / "pid").read_text().split()[1:] == ["q", "1"]


@pytest.mark.parametrize(
    ("ending", "outcomes", "error"),
    [
        ("sys.exit(65)", ["rejected"], "exit status 65"),
        ("sys.exit(7 if ATTEMPT == 1 else 0)", ["failed", "done"], "exit status 7"),
        ("sys.exit(75 if ATTEMPT == 1 else 0)", ["later", "done"], "exit status 75"),
        ("os.kill(os.getpid(), 9)", ["failed", "failed"], "signal 9"),
    ],
)
def test_the_exit_contract_holds(home: ClusterHome, ending: str, outcomes: list[str], error: str) -> None:
    home.handler(f'{PRELUDE}\nprint("bad data", flush=True)\n{ending}', retry='backoff = "0.01s"\nmax_attempts = 2')
    home.package("p")
    home.jobrunner("run", "--drain")
    assert home.outcomes() == outcomes
    assert error in (home.errors()[0] or "")
    assert "bad data" in (home.errors()[0] or "")


def test_a_timeout_ends_it_there(home: ClusterHome) -> None:
    home.handler(f"{PRELUDE}{WAITS}", timeout='"0.2s"', retry="max_attempts = 1")
    home.hold()
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 1
    assert "0.2 s" in (home.errors()[0] or "")
    assert processes_of(home) == []


def test_the_data_of_a_failed_attempt_is_kept(home: ClusterHome) -> None:
    script = f'{PRELUDE}\n(DATA / "half").write_text("done")\nsys.exit(1)'
    home.handler(script, keep_failed='"1h"', retry="max_attempts = 1")
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 1
    [kept] = (home.work / ".kept").iterdir()
    assert (kept / "half").read_text() == "done"


def test_it_is_seen_where_it_runs_and_how_far_it_is(home: ClusterHome) -> None:
    home.handler(f'{PRELUDE}\nPath(os.environ["JOBRUNNER_PROGRESS"]).write_text("2/5 aligning")\n{WAITS}')
    held = home.hold()
    for name in ("p0", "p1", "p2", "p3", "p4"):
        home.package(name)
    home.running("run", "-n", "5")
    wait_until(lambda: len(journal(home.path, "start")) == 4)
    status = wait_until(lambda: (now := home.status()) and len(now["running"]) == 5 and now)
    by_step = {
        step: [each for each in status["running"] if each["step"] == step] for step in ("handler", "waiting for a node")
    }
    assert len(by_step["handler"]) == 4
    assert {each["progress"]["text"] for each in by_step["handler"]} == {"aligning"}
    assert [each["node"] for each in by_step["waiting for a node"]] == [None]
    assert [(node["slots"], node["running"], node["trouble"]) for node in status["nodes"]] == [(2, 2, None)] * 2
    text = home.jobrunner("status").stdout
    assert "waiting for a node" in text
    assert "2 of 2 slots in use" in text
    listed = home.asked("list", "--state", "running", "--json")["jobs"]
    assert sorted(str(each["node"]).partition(":")[2] for each in listed) == ["", "a", "a", "b", "b"]
    metrics = home.jobrunner("metrics").stdout
    assert re.findall(r'jobrunner_node_running\{.*node="\S+:([ab])"\} (\d)', metrics) == [("a", "2"), ("b", "2")]
    held.unlink()
    wait_until(lambda: home.counts()["done"] == 5)


def test_cancel_ends_it_there(home: ClusterHome) -> None:
    home.handler(f"{PRELUDE}{WAITS}")
    home.hold()
    home.package("p")
    home.running()
    assert home.jobrunner("cancel", "p").returncode == 0
    wait_until(lambda: home.counts()["failed"] == 1)
    assert set(home.outcomes()) == {"cancelled"}
    assert journal(home.path, "end") == []
