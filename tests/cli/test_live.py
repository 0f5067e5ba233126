"""What a terminal shows while jobrunner works, as a person sees it."""

import json
import re
import signal

import pyte

from tests.messages import met_a_bug
from tests.scripts import PRELUDE
from tests.support import TestHome, wait_until
from tests.terminal import Terminal

HANDLER = (
    PRELUDE
    + """
open(os.environ["JOBRUNNER_PROGRESS"], "w").write("3/4 aligning")
start()
wait_for("go")
sys.exit(65 if NAME.startswith("bad") else 0)
"""
)


def seen(terminal: Terminal) -> list[str]:
    """The lines on the screen, but for empty ones."""
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(terminal.shown())
    return [line.rstrip() for line in screen.display if line.strip()]


def wait_for_lines(terminal: Terminal, text: str, times: int = 1) -> list[str]:
    """The lines on the screen, as soon as so many of them have this text."""

    def lines_with_it() -> list[str] | None:
        lines = seen(terminal)
        return lines if sum(text in line for line in lines) == times else None

    return wait_until(lines_with_it)


def labels(lines: list[str]) -> list[str]:
    """The labels of the events; the rest of a long line stands on the next one."""
    return [line.split()[1] for line in lines if re.match(r"\d\d:\d\d:\d\d ", line)]


def on_terminal(home: TestHome, *words: str) -> Terminal:
    return Terminal([*home.program, "--home", str(home.path), *words])


def test_each_worker_has_a_line_below_the_events_and_the_end_a_summary(home: TestHome) -> None:
    home.handler(HANDLER)
    for name in ("scan-1", "bad-2"):
        home.package(name)
    with on_terminal(home, "run", "-n", "3", "--drain") as terminal:
        *events, first, second, third = wait_for_lines(terminal, "aligning, 75%", times=2)
        assert labels(events) == ["start", "found"]
        named = {}
        for number, line in enumerate((first, second, third), 1):
            if match := re.fullmatch(rf"  {number}  (\S+) +\d+ s  █{{9}}░{{3}}  handler: aligning, 75%", line):
                named[match[1]] = number
            else:
                assert line == f"  {number}  idle"
        assert set(named) == {"scan-1", "bad-2"}
        (home.path / "go").touch()
        assert terminal.wait() == 1
        lines = seen(terminal)
    assert sorted(labels(lines)) == ["done", "end", "failed", "found", "start"]
    assert re.search(r"end        1 package done, 1 failed in \d", lines[-1])


def test_more_workers_than_half_the_terminal_has_lines_for_are_counted(home: TestHome) -> None:
    with on_terminal(home, "work", "-n", "15") as terminal:
        *_, last_worker, more = wait_for_lines(terminal, "… and")
        assert (last_worker, more) == (" 11  idle", "     … and 4 more")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait() == 128 + signal.SIGTERM
        assert "0 packages done in" in seen(terminal)[-1]


def test_a_name_steers_no_terminal_from_the_line_of_its_worker(home: TestHome) -> None:
    home.handler(HANDLER)
    home.package("a\x1b[2Jb\rc")
    with on_terminal(home, "run", "--drain") as terminal:
        wait_for_lines(terminal, r"a\x1b[2Jb\rc  ")
        (home.path / "go").touch()
        assert terminal.wait() == 0


def test_into_a_pipe_go_dated_lines_and_the_same_summary(home: TestHome) -> None:
    home.package("p")
    ended = home.jobrunner("run", "--drain")
    assert not met_a_bug(ended.stderr)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  end        1 package done in \S+ s", ended.stderr.splitlines()[-1]
    )
    assert "\x1b" not in ended.stderr


def test_a_terminal_that_is_stopped_holds_nobody_up(home: TestHome) -> None:
    with on_terminal(home, "run") as terminal:
        wait_for_lines(terminal, "idle")
        terminal.type("\x13")  # Ctrl-S
        home.package("a")
        wait_until((home.archive / "a").exists)
        assert labels(seen(terminal)) == ["start"]
        terminal.type("\x11")  # Ctrl-Q
        *_, done, worker = wait_until(lambda: (lines := seen(terminal)) and "done" in lines[-2] and lines)
        assert "  done       a  " in done
        assert worker == "  1  idle"
        terminal.type("\x13")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait() == 128 + signal.SIGTERM


def test_beside_a_log_file_a_terminal_shows_the_same(home: TestHome) -> None:
    home.package("p")
    log = home.path / "run.log"
    with on_terminal(home, "run", "--drain", "--log-format", "json", "--log-file", str(log)) as terminal:
        assert terminal.wait() == 0
        shown = labels(seen(terminal))
    assert shown == ["start", "found", "done", "end"]
    assert [json.loads(line)["message"].split()[0] for line in log.read_text().splitlines()] == shown


def test_with_a_format_a_terminal_has_lines_only(home: TestHome) -> None:
    home.package("p")
    with on_terminal(home, "run", "--drain", "--log-format", "json") as terminal:
        assert terminal.wait() == 0
        events = [json.loads(line)["event"] for line in terminal.printed.splitlines()]
    assert events == ["workers-started", "packages-found", "job-done", "ended"]
