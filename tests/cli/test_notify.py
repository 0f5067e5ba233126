"""`jobrunner notify --test`: one notice by each channel, and what came back."""

import json
import re

import pytest

from tests.messages import complaint
from tests.receiver import receiving
from tests.support import TestHome

KEEPS = """command = ["sh", "-c", "cat > got"]\n"""


def test_each_channel_gets_one_and_says_so(home: TestHome) -> None:
    with receiving() as receiver:
        home.configure(f'[notify]\n{KEEPS}webhook = "{receiver.url}"\n')
        result = home.jobrunner("notify", "--test")
    assert (result.returncode, result.stderr) == (0, "")
    taken = r"the notice was taken \(.* s\)\n"
    assert re.fullmatch(f"command: {taken}webhook: {taken}", result.stdout), result.stdout
    [notice] = receiver.notices
    assert notice == json.loads((home.path / "got").read_text())
    assert (notice["kind"], notice["home"]) == ("test", str(home.path))
    assert not (home.path / "jobrunner.db").exists(), "it needs none"


def test_what_came_back_is_said_and_the_others_are_tried(home: TestHome) -> None:
    with receiving() as receiver:
        receiver.answers = [500]
        home.configure(
            f"[notify]\ncommand = ['sh', '-c', 'echo no mail server; exit 3']\nwebhook = \"{receiver.url}\"\n"
        )
        result = home.jobrunner("notify", "--test")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "jobrunner: notify.command: exit status 3: no mail server",
        r"jobrunner: notify.webhook: HTTP 500 Internal Server Error: no \x1b[31mroom",
    ]


def test_the_command_finds_its_home_and_no_secret(home: TestHome) -> None:
    home.configure("[notify]\ncommand = ['sh', '-c', 'env > got']\n")
    result = home.jobrunner("notify", "--test", environment={"JOBRUNNER_NOTIFY_WEBHOOK": "http://127.0.0.1:1/secret"})
    assert result.returncode == 1
    environment = (home.path / "got").read_text().replace("no_secret", "")
    assert f"JOBRUNNER_HOME={home.path}\n" in environment
    assert "secret" not in environment


@pytest.mark.parametrize(
    ("words", "toml", "said"),
    [
        (["--test"], "", "set notify.command or notify.webhook in jobrunner.toml"),
        ([], "[notify]\ncommand = 'true'\n", "jobrunner notify --test sends one to try it"),
        (["--test"], "[notify]\ncommand = 'true'\nto = 'me'\n", "unknown key notify.to"),
    ],
)
def test_without_anything_to_try_it_says_what_to_do(home: TestHome, words: list[str], toml: str, said: str) -> None:
    home.configure(toml)
    assert said in complaint(home.jobrunner("notify", *words))


@pytest.mark.parametrize(
    ("mode", "content", "said"),
    [
        (None, b"", "notify.secret_file cannot be read: No such file or directory"),
        (0o640, b"key\n", "others may use"),
        (0o604, b"key\n", "so it is no secret: chmod 600"),
        (0o600, b"\n", "must have a line of 1 to 4,096 bytes"),
    ],
)
@pytest.mark.parametrize("words", [["notify", "--test"], ["run"]], ids=" ".join)
def test_a_secret_that_is_none_is_refused(
    home: TestHome, words: list[str], mode: int | None, content: bytes, said: str
) -> None:
    home.configure("[notify]\nwebhook = 'http://127.0.0.1:1/'\nsecret_file = 'key'\n")
    if mode is not None:
        (home.path / "key").write_bytes(content)
        (home.path / "key").chmod(mode)
    assert said in complaint(home.jobrunner(*words))


def test_a_command_that_is_certain_not_to_start_is_refused_at_the_start(home: TestHome) -> None:
    home.configure("[notify]\ncommand = 'no-such-program'\n")
    said = complaint(home.jobrunner("run", "--drain"))
    assert "notify.command: the program no-such-program is not found in PATH" in said
