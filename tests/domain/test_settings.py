import math
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from jobrunner.domain.cluster import CONSENT
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.retry import RetryPolicy
from jobrunner.domain.settings import SECTIONS, Settings
from jobrunner.domain.settings_file import build, template

HOME = Path("/srv/home")

# Every key: what is written in TOML, what in the environment, and the value of each.
KEYS: dict[str, tuple[object, object, str, object]] = {
    "folders.inbox": ("in", HOME / "in", "/mnt/in", Path("/mnt/in")),
    "folders.work": ("w", HOME / "w", "/mnt/w", Path("/mnt/w")),
    "folders.archive": ("a", HOME / "a", "/mnt/a", Path("/mnt/a")),
    "folders.failed": ("f", HOME / "f", "/mnt/f", Path("/mnt/f")),
    "folders.logs": ("l", HOME / "l", "/mnt/l", Path("/mnt/l")),
    "folders.mode": ("0750", 0o750, "0775", 0o775),
    "folders.group": ("lab", "lab", "staff", "staff"),
    "folders.trusted_groups": (["lab", "ops"], ("lab", "ops"), "lab, ops", ("lab", "ops")),
    "database.url": ("sqlite:///t.db", "sqlite:///t.db", "sqlite:////e.db", "sqlite:////e.db"),
    "database.group": ("lab", "lab", "ops", "ops"),
    "intake.incomplete_suffix": (".part", (".part",), ".tmp, *.part", (".tmp", "*.part")),
    "intake.complete_when": ("still", "still", "suffix", "suffix"),
    "intake.marker": ("Complete.txt", "Complete.txt", "*.done", "*.done"),
    "intake.settle": ("5s", 5.0, "2m", 120.0),
    "intake.broken_after": ("1s", 1.0, "1m", 60.0),
    "intake.zip_name": ("only", "only", "same", "same"),
    "intake.ignore": (["*.log"], ("*.log",), "*.log, old", ("*.log", "old")),
    "extract.max_size": ("1 MiB", 2**20, "2 MiB", 2**21),
    "extract.max_entries": (7, 7, "8", 8),
    "extract.max_ratio": (9, 9, "10", 10),
    "extract.encoding": ("gbk", "gbk", "cp932", "cp932"),
    "extract.keep_free": ("3 B", 3, "4 B", 4),
    "process.command": (["run", "it"], ("run", "it"), "run 'that one'", ("run", "that one")),
    "process.callable": ("a:f", "a:f", "b.c:g", "b.c:g"),
    "process.recycle_after": (100, 100, "200", 200),
    "process.timeout": ("3h", 10800.0, "4s", 4.0),
    "process.max_memory": ("1 GiB", 2**30, "2 GiB", 2**31),
    "process.max_open_files": (64, 64, "65", 65),
    "process.max_processes": (50, 50, "51", 51),
    "process.nice": (5, 5, "19", 19),
    "process.max_log": ("1 MiB", 2**20, "64 KiB", 2**16),
    "process.environment": (
        {"A": "1", "B": False},
        (("A", "1"), ("B", None)),
        '{"C": "", "D": false}',
        (("C", ""), ("D", None)),
    ),
    "process.user": ("analysis", "analysis", "nobody", "nobody"),
    "process.no_new_privileges": (True, True, "true", True),
    "process.keep_failed": ("24h", 86400.0, "2h", 7200.0),
    "retry.max_attempts": (5, 5, "6", 6),
    "retry.backoff": ("7s", 7.0, "8s", 8.0),
    "retry.max_backoff": ("2d", 172800.0, "1d", 86400.0),
    "work.workers": (3, 3, "12", 12),
    "work.shutdown_grace": ("0s", 0.0, "9s", 9.0),
    "retention.attempts": ("90d", 90 * 86400.0, "12h", 12 * 3600.0),
    "retention.logs": ("30d", 30 * 86400.0, "1w", 7 * 86400.0),
    "log.format": ("json", "json", "text", "text"),
    "log.file": ("run.log", HOME / "run.log", "/var/log/run.log", Path("/var/log/run.log")),
    "notify.command": (["tell", "me"], ("tell", "me"), "tell 'all of us'", ("tell", "all of us")),
    "notify.webhook": ("https://x.test/a?b", "https://x.test/a?b", "http://y.test:80", "http://y.test:80"),
    "notify.secret_file": ("key", Path("key"), "/etc/key", Path("/etc/key")),
    "notify.on": (["failed"], ("failed",), "stopped, paused", ("stopped", "paused")),
    "notify.backlog": ("2h", 7200.0, "1d", 86400.0),
    "web.listen": ("0.0.0.0:80", "0.0.0.0:80", "[::1]:8321", "[::1]:8321"),
    "web.hosts": (["jobs.example.org"], ("jobs.example.org",), "a b", ("a", "b")),
    "web.users_file": ("users", Path("users"), "/etc/users", Path("/etc/users")),
    "web.files": (True, True, "false", False),
    "cluster.address": ("tls://ingest:8786", "tls://ingest:8786", "tcp://[::1]:1", "tcp://[::1]:1"),
    "cluster.tls_ca": ("ca.pem", Path("ca.pem"), "/etc/ca.pem", Path("/etc/ca.pem")),
    "cluster.tls_cert": ("a.pem", Path("a.pem"), "/etc/a.pem", Path("/etc/a.pem")),
    "cluster.tls_key": ("a.key", Path("a.key"), "/etc/a.key", Path("/etc/a.key")),
    "cluster.without_tls": (CONSENT, CONSENT, CONSENT, CONSENT),
    "cluster.resources": ({"GPU": 1}, (("GPU", 1.0),), '{"GPU": 2, "disk": 0.5}', (("GPU", 2.0), ("disk", 0.5))),
    "cluster.node_timeout": ("2m", 120.0, "90", 90.0),
}

#: What has to be set with a key.
BESIDE: dict[str, dict[str, object]] = {"intake.marker": {"complete_when": "marker"}}

WITHOUT_DEFAULT = (
    "folders.group",
    "database.group",
    "intake.marker",
    "process.command",
    "process.callable",
    "process.recycle_after",
    "process.max_memory",
    "process.max_open_files",
    "process.max_processes",
    "process.environment",
    "process.user",
    "log.format",
    "log.file",
    "notify.command",
    "notify.webhook",
    "notify.secret_file",
    "web.users_file",
    "cluster.address",
    "cluster.tls_ca",
    "cluster.tls_cert",
    "cluster.tls_key",
    "cluster.without_tls",
)


def settings(toml: dict[str, Any] | None = None, environment: dict[str, str] | None = None) -> Settings:
    return build(HOME, toml or {}, environment or {}, source="jobrunner.toml")


def problem(toml: dict[str, Any] | None = None, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings(toml, environment)
    return str(caught.value)


def value_of(built: Settings, key: str) -> object:
    section, name = key.split(".")
    return getattr(getattr(built, section), name)


def in_toml(key: str, value: object) -> dict[str, Any]:
    section, name = key.split(".")
    return {section: {name: value, **BESIDE.get(key, {})}}


def variable(key: str) -> str:
    return "JOBRUNNER_" + key.upper().replace(".", "_")


def test_the_table_of_this_file_has_every_key() -> None:
    assert set(KEYS) == {f"{section}.{spec.name}" for section, kind in SECTIONS.items() for spec in fields(kind)}


@pytest.mark.parametrize("key", KEYS)
def test_every_key_can_be_set_in_toml(key: str) -> None:
    written, value, *_ = KEYS[key]
    assert value_of(settings(), key) != value
    assert value_of(settings(in_toml(key, written)), key) == value


@pytest.mark.parametrize("key", KEYS)
def test_every_key_can_be_set_by_its_variable_which_goes_before_toml(key: str) -> None:
    in_file, _, in_environment, value = KEYS[key]
    section, _ = key.split(".")
    beside = {section: BESIDE.get(key, {})}
    assert value_of(settings(beside, {variable(key): in_environment}), key) == value
    assert value_of(settings(in_toml(key, in_file), {variable(key): in_environment}), key) == value


@pytest.mark.parametrize("key", KEYS)
def test_a_bad_value_is_named_with_its_place_in_toml_and_in_the_environment(key: str) -> None:
    assert f"jobrunner.toml: {key} is -1.5, but must be " in problem(in_toml(key, -1.5))
    assert f'{variable(key)} is "", but must be ' in problem({}, {variable(key): ""})


def test_the_defaults_are_those_of_the_contract() -> None:
    built = settings()
    assert {key: value_of(built, key) for key in KEYS} == {
        "folders.inbox": HOME / "inbox",
        "folders.work": HOME / "work",
        "folders.archive": HOME / "archive",
        "folders.failed": HOME / "failed",
        "folders.logs": HOME / "logs",
        "folders.mode": 0o755,
        "folders.group": None,
        "folders.trusted_groups": (),
        "database.url": "sqlite:///jobrunner.db",
        "database.group": None,
        "intake.incomplete_suffix": ("-downloading",),
        "intake.complete_when": "suffix",
        "intake.marker": None,
        "intake.settle": 0.0,
        "intake.broken_after": 5.0,
        "intake.zip_name": "same",
        "intake.ignore": (),
        "extract.max_size": 50 * 2**30,
        "extract.max_entries": 200_000,
        "extract.max_ratio": 200,
        "extract.encoding": "auto",
        "extract.keep_free": 2**30,
        "process.command": None,
        "process.callable": None,
        "process.recycle_after": None,
        "process.timeout": 3600.0,
        "process.max_memory": None,
        "process.max_open_files": None,
        "process.max_processes": None,
        "process.nice": 0,
        "process.max_log": 100 * 2**20,
        "process.environment": None,
        "process.user": None,
        "process.no_new_privileges": False,
        "process.keep_failed": 0.0,
        "retry.max_attempts": 3,
        "retry.backoff": 10.0,
        "retry.max_backoff": 3600.0,
        "work.workers": 1,
        "work.shutdown_grace": 30.0,
        "retention.attempts": math.inf,
        "retention.logs": math.inf,
        "log.format": None,
        "log.file": None,
        "notify.command": None,
        "notify.webhook": None,
        "notify.secret_file": None,
        "notify.on": ("failed", "trouble", "mended", "paused", "backlog", "stopped"),
        "notify.backlog": math.inf,
        "web.listen": "127.0.0.1:8321",
        "web.hosts": (),
        "web.users_file": None,
        "web.files": False,
        "cluster.address": None,
        "cluster.tls_ca": None,
        "cluster.tls_cert": None,
        "cluster.tls_key": None,
        "cluster.without_tls": None,
        "cluster.resources": (),
        "cluster.node_timeout": 90.0,
    }
    assert built.retry_policy == RetryPolicy(3, 10.0, 3600.0)


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///sub/j.db", HOME / "sub/j.db"), ("sqlite:////var/j.db", Path("/var/j.db"))],
)
def test_three_slashes_lead_into_the_home_and_four_elsewhere(url: str, path: Path) -> None:
    assert settings({"database": {"url": url}}).database_path == path


@pytest.mark.parametrize(
    ("toml", "environment", "words"),
    [
        ({"folder": {}}, {}, "jobrunner.toml: unknown section [folder] (did you mean folders?)"),
        ({"retry": {"max_atempts": 1}}, {}, "unknown key retry.max_atempts (did you mean max_attempts?)"),
        ({"zzz": {}}, {}, "unknown section [zzz] (known are: folders, database, intake, "),
        ({"work": {"zzz": 1}}, {}, "unknown key work.zzz (known are: workers, shutdown_grace)"),
        ({}, {"JOBRUNNER_FOLDERS_INBOKS": "x"}, "JOBRUNNER_FOLDERS_INBOKS (did you mean JOBRUNNER_FOLDERS_INBOX?)"),
        ({"retry": 3}, {}, "jobrunner.toml: retry must be a section, [retry]"),
        ({"inbox": "in"}, {}, "jobrunner.toml: unknown section [inbox]"),
    ],
)
def test_what_is_unknown_is_named_with_what_is_nearest(
    toml: dict[str, Any], environment: dict[str, str], words: str
) -> None:
    assert words in problem(toml, environment)


def test_all_problems_are_told_at_once() -> None:
    message = problem(
        {"fodlers": {}, "retry": {"backof": "1s", "max_attempts": 0}, "process": {"command": "a", "callable": "b:c"}},
        {"JOBRUNNER_EXTRACT_MAX_SIZE": "lots", "JOBRUNNER_WORK_GRACE": "1s"},
    )
    for words in (
        "[fodlers]",
        "retry.backof ",
        "retry.max_attempts is 0",
        "process.command and process.callable are both set",
        'JOBRUNNER_EXTRACT_MAX_SIZE is "lots"',
        "JOBRUNNER_WORK_GRACE",
    ):
        assert words in message
    assert len(message.split("; ")) == 6
    assert "\n" not in message


def test_what_a_handler_finds_in_its_environment_is_no_setting() -> None:
    names = ("HOME", "WORKER", "PACKAGE", "DATA", "ZIP", "ATTEMPT")
    assert settings({}, {f"JOBRUNNER_{name}": "x" for name in names} | {"PATH": "/bin"}) == settings()


def test_a_new_file_changes_nothing() -> None:
    assert settings(tomllib.loads(template())) == settings()


@pytest.mark.parametrize("intake", [{"complete_when": "marker"}, {"marker": "Complete.txt"}])
def test_a_marker_has_to_be_named_and_wanted(intake: dict[str, str]) -> None:
    assert 'intake.complete_when = "marker" and intake.marker belong together' in problem({"intake": intake})


@pytest.mark.parametrize(
    ("intake", "seconds"), [({}, 0), ({"complete_when": "still"}, 10), ({"complete_when": "still", "settle": "2s"}, 2)]
)
def test_a_package_that_has_to_be_still_is_so_for_ten_seconds(intake: dict[str, str], seconds: float) -> None:
    assert settings({"intake": intake}).intake.stillness == seconds


def test_a_new_file_shows_every_key_with_its_default() -> None:
    first, *lines = template().splitlines()
    assert first.startswith("# ")
    uncommented = tomllib.loads("\n".join(line.removeprefix("# ") for line in lines))
    assert {f"{section}.{name}" for section, table in uncommented.items() for name in table} == set(KEYS)
    examples = {key: uncommented[key.split(".")[0]].pop(key.split(".")[1]) for key in WITHOUT_DEFAULT}
    assert settings(uncommented) == settings()
    for key, value in examples.items():
        assert value_of(settings(in_toml(key, value)), key) is not None
