import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import Package
from jobrunner.linux.waiting import ready
from jobrunner.process.channel import Channel, result_of
from jobrunner.process.handler import Call
from jobrunner.process.output import DEFAULT_ROOM, Log, Output
from tests.scripts import lives
from tests.support import PATIENCE, clean_environment, kill


class Host:
    """The process that holds a callable, as the guard drives it."""

    def __init__(self, home: Path, function: str) -> None:
        self.home = home
        self.connection, theirs = Channel.pair()
        self.output = Output()
        words = [sys.executable, "-P", "-m", "jobrunner.process.host", str(theirs.fileno()), function]
        self.process = subprocess.Popen(
            words,
            cwd=home,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=self.output.writing,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()

    def run(self, name: str = "p", attempt: int = 1) -> HandlerResult:
        package = Package(name, self.home / "data", self.home / f"{name}.zip", attempt, self.home)
        log = Log(str(self.log(name, attempt)), DEFAULT_ROOM)
        try:
            self.connection.send(Call(package, str(self.log(name, attempt)), str(self.home / "progress")).as_message())
            return result_of(self.connection.receive())
        finally:
            self.output.pump(log)
            log.close()

    def log(self, name: str = "p", attempt: int = 1) -> Path:
        return self.home / f"{name}-{attempt}.log"


StartHost = Callable[..., Host]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[StartHost]:
    """Writes analysis.py and starts a host for its function `process`; each ends when its connection does."""
    started: list[Host] = []

    def start(source: str, function: str = "analysis:process") -> Host:
        (tmp_path / "analysis.py").write_text(source)
        started.append(Host(tmp_path, function))
        return started[-1]

    yield start
    for one in started:
        with suppress(OSError):  # a test has closed it
            one.connection.close()
        one.process.wait(PATIENCE)
        os.close(one.output.reading)
        os.close(one.output.writing)


def _function(body: str) -> str:
    return "import jobrunner, os, sys, subprocess\ndef process(package):\n    " + body


@pytest.mark.parametrize(
    ("body", "outcome", "error"),
    [
        ("pass", Outcome.DONE, ""),
        ("return 1", Outcome.DONE, ""),
        ("raise jobrunner.Reject('no sensor 3')", Outcome.REJECTED, "the handler rejected the data: no sensor 3"),
        ("raise jobrunner.RetryLater('busy')", Outcome.LATER, "the handler asked to be run later: busy"),
        ("raise ValueError('two\\n lines')", Outcome.FAILED, "ValueError: two lines"),
        ("raise KeyboardInterrupt", Outcome.FAILED, "KeyboardInterrupt"),
        ("sys.exit()", Outcome.DONE, ""),
        ("sys.exit(0)", Outcome.DONE, ""),
        ("sys.exit(3)", Outcome.FAILED, "exit status 3"),
        ("sys.exit('in words')", Outcome.FAILED, "exit status 1"),
        ("sys.exit(65)", Outcome.REJECTED, "the handler rejected the data (exit status 65)"),
        ("sys.exit(75)", Outcome.LATER, "the handler asked to be run later (exit status 75)"),
    ],
)
def test_what_the_function_does_is_the_result_and_the_host_stays(
    host: StartHost, body: str, outcome: Outcome, error: str
) -> None:
    one = host(_function(body))
    assert one.run() == HandlerResult(outcome, error, is_bare="exit status" in error)
    assert one.run("q").outcome is outcome
    assert one.process.poll() is None


@pytest.mark.parametrize(
    "body",
    [
        "print('x'); sys.stdout.close()",
        "print('x'); sys.stderr.close()",
        "print('x'); sys.stdout = sys.stderr = None",
        "print('x', end=''); os.close(1); os.close(2)",
        "print('x', end=''); os.close(0); os.close(1); os.close(2)",
        "sys.stdout = object()",
    ],
)
def test_output_that_cannot_be_flushed_is_no_failure_and_the_next_has_its_own(host: StartHost, body: str) -> None:
    one = host(
        _function(f"if package.name == 'q': print('of q', flush=True); os.system('echo program')\n    else: {body}")
    )
    assert one.run("p") == HandlerResult(Outcome.DONE)
    assert one.run("q") == HandlerResult(Outcome.DONE)
    assert one.log("q").read_text().endswith("of q\nprogram\n")


def test_a_fork_that_comes_back_from_the_function_answers_nothing(host: StartHost) -> None:
    one = host(_function("os.fork() or print('in the fork')"))
    for name in ("p", "q", "r"):
        assert one.run(name).outcome is Outcome.DONE
    assert one.process.poll() is None
    assert not ready((one.connection.fileno(),), 0.2)


def test_an_exception_is_the_result_where_stderr_is_closed(host: StartHost) -> None:
    one = host(_function("sys.stderr.close(); raise ValueError('all the same')"))
    assert one.run().error == "ValueError: all the same"
    assert one.run().error == "ValueError: all the same"


def test_the_module_is_imported_once_and_the_function_called_with_each_package(host: StartHost) -> None:
    source = "print('first of all')\ndef process(package):\n    print(package)\n"
    one = host(source)
    one.run("p", 1)
    one.run("p", 2)
    one.run("q", 1)
    package = Package("p", one.home / "data", one.home / "p.zip", 1, one.home)
    assert one.log("p", 1).read_text() == f"first of all\n{package}\n"
    assert "first of all" not in one.log("p", 2).read_text() + one.log("q", 1).read_text()
    assert "name='q'" in one.log("q", 1).read_text()


def test_each_packages_output_is_in_its_own_log_also_that_of_programs(host: StartHost) -> None:
    one = host(_function("print(package.name); print('err', file=sys.stderr); subprocess.run(['echo', 'program'])"))
    one.run("p")
    one.run("q")
    for name in ("p", "q"):
        assert sorted(one.log(name).read_text().split()) == sorted([name, "err", "program"])


def test_what_the_function_exits_with_is_in_the_log(host: StartHost) -> None:
    one = host(_function("sys.exit('no sensor 3')"))
    assert one.run() == HandlerResult(Outcome.FAILED, "exit status 1", is_bare=True)
    assert one.log().read_text() == "no sensor 3\n"


def test_an_exceptions_traceback_is_in_the_log(host: StartHost) -> None:
    one = host(_function("raise ValueError('deep')"))
    one.run()
    log = one.log().read_text()
    assert log.startswith("Traceback")
    assert log.endswith("ValueError: deep\n")
    assert "analysis.py" in log


def test_the_environment_is_that_of_the_package(host: StartHost) -> None:
    variables = "('PACKAGE', 'ATTEMPT', 'DATA', 'ZIP', 'HOME')"
    one = host(_function(f"print(*[os.environ['JOBRUNNER_' + name] for name in {variables}], sep='|')"))
    one.run("p")
    one.run("q", 2)
    home = one.home
    assert one.log("p").read_text() == f"p|1|{home}/data|{home}/p.zip|{home}\n"
    assert one.log("q", 2).read_text() == f"q|2|{home}/data|{home}/q.zip|{home}\n"


@pytest.mark.parametrize(
    ("source", "function", "error"),
    [
        ("import no_such_thing", "analysis:process", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("x = 1", "analysis:process", "AttributeError: "),
        ("def process(:", "analysis:process", "SyntaxError: "),
        ("x = 1", "no_such_module:process", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_function_that_cannot_be_loaded_is_a_failure_and_ends_the_host(
    host: StartHost, source: str, function: str, error: str
) -> None:
    one = host(source, function)
    result = one.run()
    assert result.outcome is Outcome.FAILED
    assert f"the callable {function} cannot be loaded: {error}" in result.error
    assert "\n" not in result.error
    assert one.process.wait(30) == 0
    assert "Traceback" in one.log().read_text()


def test_a_module_that_exits_while_it_is_imported_is_no_success(host: StartHost) -> None:
    one = host("import sys\nsys.exit(0)")
    try:
        outcome = one.run().outcome
    except EOFError:  # it ended without an answer, which the guard takes for a failure
        return
    assert outcome is not Outcome.DONE


def test_a_function_in_a_package_below_the_home_is_found(host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/inner.py").write_text("def process(package): print('inner')")
    one = host("", "pack.inner:process")
    assert one.run().outcome is Outcome.DONE
    assert one.log().read_text() == "inner\n"


def test_a_module_in_the_home_does_not_hide_one_that_the_host_needs(host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "traceback.py").write_text("raise SystemError('not this one')")
    assert host(_function("pass")).run().outcome is Outcome.DONE


def test_programs_of_the_function_do_not_get_the_connection(host: StartHost) -> None:
    one = host(_function("print(subprocess.Popen(['sleep', '600']).pid, flush=True); os._exit(3)"))
    try:
        with pytest.raises(EOFError):
            one.run()
        assert one.process.wait(30) == 3
        assert lives(int(one.log().read_text()))
    finally:
        kill(int(one.log().read_text()))


def test_the_host_ends_when_the_connection_is_closed(host: StartHost) -> None:
    one = host(_function("pass"))
    one.run()
    one.connection.close()
    assert one.process.wait(30) == 0
