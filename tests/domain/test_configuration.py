import tomllib

import pytest

from jobrunner.domain.configuration import Setting, listing
from jobrunner.domain.settings_file import build, in_toml
from jobrunner.domain.unwise import Warned, unwise
from tests.domain.test_settings import HOME, KEYS, settings, value_of, variable
from tests.domain.test_settings import in_toml as as_toml


def listed(text: str = "", environment: dict[str, str] | None = None) -> dict[str, Setting]:
    return {each.key: each for each in listing(tomllib.loads(text), text, environment or {}, [])}


def test_every_key_is_listed_and_a_default_is_said_to_be_one() -> None:
    found = listed()
    assert list(found) == list(KEYS)
    assert all(each.is_default and each.origin == "default" for each in found.values())


@pytest.mark.parametrize("key", KEYS)
def test_what_a_variable_says_is_listed_as_the_file_would_have_it(key: str) -> None:
    *_, written, value = KEYS[key]
    shown = listed(environment={variable(key): written})[key]
    assert (shown.origin, shown.is_default) == (variable(key), value == value_of(settings(), key))
    name = key.partition(".")[2]
    text = f"{name} = {in_toml(shown.value)}"
    again = settings(as_toml(key, tomllib.loads(text)[name]))
    assert value_of(again, key) == value


def test_the_listing_written_down_means_the_same() -> None:
    environment = {"JOBRUNNER_PROCESS_ENVIRONMENT": '{"A B": "\\"x", "C": false}', "JOBRUNNER_WORK_WORKERS": "4"}
    found = listed('[process]\ncommand = ["a", "b\\tc"]\n', environment)
    lines: list[str] = []
    for each in found.values():
        lines += [f"{each.key} = {in_toml(each.value)}"] * (each.value is not None)
    again = build(HOME, tomllib.loads("\n".join(lines)), {}, source="")
    assert again == build(HOME, {"process": {"command": ["a", "b\tc"]}}, environment, source="")


def test_an_empty_table_in_a_variable_is_one_in_the_file() -> None:
    assert listed(environment={"JOBRUNNER_PROCESS_ENVIRONMENT": "{}"})["process.environment"].value == {}


def test_of_what_stands_in_the_file_the_line_is_told_where_it_shows() -> None:
    found = listed("work.workers = 2\n[ retry ]  # waits\n\n# backoff = 3\n  backoff= '10 s'\nmax_backoff = '2h'\n")
    assert found["retry.backoff"][2:5] == ("10 s", "jobrunner.toml line 5", True)
    assert found["retry.max_backoff"][2:5] == ("2h", "jobrunner.toml line 6", False)
    assert found["work.workers"][2:5] == (2, "jobrunner.toml", False)


@pytest.mark.parametrize(
    ("key", "toml"),
    [
        ("process.command", {"process": {"command": ["a", "|"]}}),
        ("process.timeout", {"process": {"command": ["a"], "timeout": "none"}}),
        ("process.recycle_after", {"process": {"command": ["a"], "recycle_after": 9}}),
        ("retry.backoff", {"retry": {"backoff": "2h"}}),
        ("folders.mode", {"folders": {"mode": "0775"}}),
        ("intake.incomplete_suffix", {"intake": {"incomplete_suffix": []}}),
        ("intake.broken_after", {"intake": {"broken_after": "0s"}}),
        ("extract.max_ratio", {"extract": {"max_ratio": 1032}}),
        ("extract.keep_free", {"extract": {"keep_free": "0 B"}}),
        ("work.workers", {"work": {"workers": 17}}),
    ],
)
def test_what_is_unwise_is_warned_of_at_its_key(key: str, toml: dict[str, dict[str, object]]) -> None:
    [warned] = unwise(settings(toml), processors=2)
    assert warned.key == key
    [setting] = [each for each in listing(toml, "", {}, [warned]) if each.warnings]
    assert (setting.key, setting.warnings) == (key, [warned.why])
    assert str(warned) == f"{key} {warned.why}"


@pytest.mark.parametrize(
    "toml",
    [
        {},
        {"process": {"timeout": "none"}},
        {"process": {"callable": "a:f", "recycle_after": 9}},
        {"folders": {"mode": "0775", "group": "lab"}},
        {"intake": {"incomplete_suffix": [], "settle": "5s"}},
        {"intake": {"incomplete_suffix": [], "complete_when": "still"}},
        {"extract": {"max_ratio": 1031}},
        {"work": {"workers": 16}},
    ],
)
def test_what_is_not_unwise_is_not_warned_of(toml: dict[str, dict[str, object]]) -> None:
    assert list(unwise(settings(toml), processors=2)) == []


def test_a_warning_is_not_about_another_key() -> None:
    found = listing({}, "", {}, [Warned("work.workers", "is odd")])
    assert [each.key for each in found if each.warnings] == ["work.workers"]
