"""`jobrunner metrics`: what Prometheus reads, by its own parsers, and the files in contrib/ that are made for it."""

import json
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as strict
from prometheus_client.parser import text_string_to_metric_families as parsed

from jobrunner.documents.metrics import metrics_text
from jobrunner.domain.envelope import Emit
from jobrunner.domain.job import Details, EndedAttempt, Outcome
from jobrunner.domain.role import Role
from jobrunner.wiring.home import load_settings, open_home
from jobrunner.wiring.measuring import measuring
from jobrunner.wiring.steering import pausing
from tests.messages import complaint, tree
from tests.support import TestHome, wait_until

CONTRIB = Path(__file__).parents[2] / "contrib"
ODD = 'sc"an\\s\n'
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    """A home with an odd name in which one package is done, one has failed at its second attempt, and one is queued."""
    home = TestHome(tmp_path_factory.mktemp("metrics") / ODD)
    source = "import os\nraise SystemExit(os.environ['JOBRUNNER_PACKAGE'] == 'bad')"
    home.handler(source, retry='max_attempts = 2\nbackoff = "1s"')
    home.package("good")
    home.package("bad")
    assert home.jobrunner("run", "--drain").returncode == 1
    home.package("waits")
    assert home.jobrunner("scan").returncode == 0
    return home


def text_of(home: TestHome) -> str:
    """What `jobrunner metrics` prints, made in this process."""
    with open_home(load_settings(home.path), Emit(Role.COMMAND), to_read=True) as opened:
        return metrics_text(measuring(opened).measure(), str(home.path), "1")


def families(text: str) -> list[Metric]:
    return list(parsed(text))


def samples(text: str) -> Samples:
    """Return the values by name and labels, but for the home."""
    found = [sample for family in families(text) for sample in family.samples]
    return {
        (each.name.removeprefix("jobrunner_"), frozenset(item for item in each.labels.items() if item[0] != "home")):
            each.value
        for each in found
    }  # fmt: skip


def one(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_what_has_happened_is_counted(used: TestHome) -> None:
    result = used.jobrunner("metrics")
    assert (result.returncode, result.stderr) == (0, "")
    found = samples(result.stdout)
    states = {state: one(found, "jobs", state=state) for state in ("queued", "waiting", "running", "done", "failed")}
    assert states == {"queued": 1, "waiting": 0, "running": 0, "done": 1, "failed": 1}
    attempts = {outcome: one(found, "attempts_total", outcome=outcome) for outcome in Outcome}
    assert attempts == dict.fromkeys(Outcome, 0) | {Outcome.DONE: 1, Outcome.FAILED: 2}
    assert one(found, "jobs_ended_total", outcome="failed") == 1
    assert one(found, "retries_total") == 1
    for step, count in {"extract": 3, "handle": 3, "archive": 1}.items():
        assert one(found, "step_duration_seconds_count", step=step) == count
        assert one(found, "step_duration_seconds_sum", step=step) > 0
    assert one(found, "job_duration_seconds_count") == 1
    assert one(found, "oldest_queued_seconds") > 0
    assert one(found, "paused") == one(found, "trouble") == one(found, "workers_wanted") == 0
    assert one(found, "disk_used_bytes", part="database") > 0
    assert one(found, "disk_free_bytes", folder="archive") > 0
    assert {sample.labels["home"] for family in families(result.stdout) for sample in family.samples} == {
        str(used.path).replace("\\", r"\\").replace("\n", r"\n")
    }


def test_every_family_is_told_even_where_nothing_has_happened(home: TestHome, used: TestHome) -> None:
    """A series that appears with its first event has no increase to alert on."""
    assert samples(text_of(home)).keys() == samples(text_of(used)).keys()
    assert all(
        family.documentation and family.samples and family.type != "unknown" for family in families(text_of(home))
    )


def test_the_strict_parser_of_openmetrics_takes_all_of_it(used: TestHome) -> None:
    """It verifies histograms; there, a counter's family is called without its `_total`."""
    text = re.sub(r"^(# (?:HELP|TYPE) \w+)_total ", r"\1 ", text_of(used), flags=re.MULTILINE)
    names = [family.name for family in strict.text_string_to_metric_families(f"{text}# EOF\n")]  # type: ignore[no-untyped-call]
    assert names == [family.name for family in families(text_of(used))]


def test_the_buckets_of_a_histogram_are_cumulative(home: TestHome) -> None:
    with home.open() as opened, opened.store.write():
        for hour, seconds in ((0, 0.5), (1, 2.0), (2, 2.5), (3, 1e6)):
            opened.store.totals.add([EndedAttempt(Outcome.FAILED, details=Details(handle=seconds))], hour * 3600.0)
    found = samples(text_of(home))
    counts = {
        bound: one(found, "step_duration_seconds_bucket", step="handle", le=bound)
        for bound in ("0.3", "1.0", "3.0", "30000.0", "+Inf")
    }
    assert counts == {"0.3": 0, "1.0": 1, "3.0": 3, "30000.0": 3, "+Inf": 4}
    assert one(found, "step_duration_seconds_sum", step="handle") == 1_000_005
    assert one(found, "attempts_total", outcome="failed") == 4


def test_a_pause_and_who_works_are_told(home: TestHome) -> None:
    opened = home.open()
    with closing(opened.store):
        pausing(opened).pause(None, None)
    home.start("work", "-n", "2")
    found = wait_until(lambda: (now := samples(text_of(home))) and one(now, "workers_alive") == 2 and now)
    assert (one(found, "paused"), one(found, "workers_wanted")) == (1, 2)
    assert [one(found, "runners", command=command) for command in ("run", "work", "scan")] == [0, 1, 0]


def test_notices_that_have_not_arrived_are_counted(home: TestHome) -> None:
    home.configure("[notify]\ncommand = 'false'\n")
    opened = home.open()
    with closing(opened.store):
        pausing(opened).pause(None, None)
        with opened.store.write():
            opened.store.notices.give_up_channel("command", time.time(), "exit status 1")
        pausing(opened).pause(None, "once more")
    found = samples(text_of(home))
    assert (one(found, "notices_waiting"), one(found, "notices_given_up")) == (1, 1)


def test_a_database_that_another_program_holds_is_a_trouble_and_no_obstacle(home: TestHome) -> None:
    home.jobrunner("scan")
    other = apsw.Connection(str(home.path / "jobrunner.db"))
    other.execute("BEGIN IMMEDIATE")
    result = home.jobrunner("metrics")
    other.close()
    assert (result.returncode, result.stderr) == (0, "")
    assert one(samples(result.stdout), "trouble") == 1


def test_what_cannot_be_looked_at_is_left_out(home: TestHome) -> None:
    home.jobrunner("scan")
    shutil.rmtree(home.inbox)
    for number in range(1001):
        (home.logs / f"{number}").mkdir()
    found = samples(text_of(home))
    assert one(found, "trouble") == 1
    gone = {("disk_free_bytes", frozenset({("folder", "inbox")})), ("disk_used_bytes", frozenset({("part", "logs")}))}
    assert not gone & found.keys()
    assert one(found, "disk_free_bytes", folder="logs") > 0


def test_a_file_is_replaced_at_once_for_everybody(used: TestHome, tmp_path: Path) -> None:
    file = tmp_path / "jobrunner.prom"
    file.write_text("old")
    file.chmod(0o600)
    with file.open() as reader:
        result = used.jobrunner("metrics", "--file", str(file))
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert reader.read() == "old"
    assert one(samples(file.read_text()), "jobs", state="done") == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert tree(tmp_path).keys() == {"jobrunner.prom"}


def test_a_file_that_cannot_be_written_is_one_plain_line(used: TestHome, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    for path in (tmp_path / "nowhere" / "x.prom", tmp_path / "taken"):
        assert str(path) in complaint(used.jobrunner("metrics", "--file", str(path)), code=1)
    assert tree(tmp_path).keys() == {"taken"}


@pytest.fixture(scope="module")
def names(used: TestHome) -> set[str]:
    return {f"jobrunner_{name}" for name, _ in samples(text_of(used))}


def expressions() -> Iterator[str]:
    yield from (CONTRIB / "prometheus-alerts.yml").read_text().splitlines()
    board = json.loads((CONTRIB / "grafana-dashboard.json").read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (variable["query"]["query"] for variable in board["templating"]["list"] if variable["type"] == "query")


def test_the_alerts_and_the_dashboard_name_what_there_is(names: set[str]) -> None:
    named = set(re.findall(r"\b(?<!/)jobrunner_\w+", "\n".join(expressions())))
    assert len(named) > 10
    assert named <= names


def test_the_page_on_monitoring_names_every_family(used: TestHome) -> None:
    page = (CONTRIB.parent / "docs" / "monitoring.md").read_text()
    kinds = re.findall(r"^# TYPE (\w+) (\w+)$", text_of(used), re.MULTILINE)
    rows = dict(re.findall(r"^\| `(\w+)`.*?\| (\w+) \|", page, re.MULTILINE))
    rows["jobrunner_workers_alive"] = rows["jobrunner_workers_wanted"]
    of_a_cluster = {f"jobrunner_node_{what}": "gauge" for what in ("slots", "running")}
    assert rows == dict(kinds) | of_a_cluster


def test_promtool_takes_the_text_and_the_rules(used: TestHome) -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed: it comes with Prometheus")
    text = text_of(used)
    subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=True)
    subprocess.run(["promtool", "check", "rules", CONTRIB / "prometheus-alerts.yml"], check=True)
