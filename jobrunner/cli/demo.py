"""`jobrunner demo`: a home with sample packages, made and run."""

import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from jobrunner.cli.log_options import Asked
from jobrunner.cli.main import enter
from jobrunner.cli.output import say
from jobrunner.cli.status import show_status
from jobrunner.cli.work import supervise
from jobrunner.domain.errors import ConfigurationError

EXAMPLES = ("jobrunner demo",)


def command(
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="An empty folder, or one to make (else: a temporary one).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a home with sample packages, and run it with three workers."""
    from jobrunner.demo import make_home
    from jobrunner.wiring.safety import check_folder

    home = directory.expanduser() if directory else Path(tempfile.mkdtemp(prefix="jobrunner-demo-"))
    enter(home, "demo")
    home = home.resolve()
    if home.exists() and not home.is_dir():
        raise ConfigurationError(f"{home} is a file: name a folder")
    home.mkdir(parents=True, exist_ok=True)
    if any(home.iterdir()):
        raise ConfigurationError(f"{home} is not empty: name a folder that is, or one that is not there")
    check_folder(home)
    make_home(home)
    code = supervise(home, 3, Asked(), drain=True, scan=True)
    if code > 128:
        raise typer.Exit(code)
    say()
    show_status(home, as_json=False)
    called = sys.argv[0]
    is_found = Path(called).name != "jobrunner" or shutil.which("jobrunner") == called
    program = "jobrunner" if is_found else called  # it may not be on the PATH
    say()
    say("One package was broken on purpose. Look into:")
    for path, what in (
        ("archive/station-01", "the sender's zip, its members, and the handler's summary.json"),
        ("failed/station-37", "the broken one, with the reason in error.txt"),
        ("analyze.py", "the handler"),
    ):
        say(f"  {home}/{path}")
        say(f"      {what}")
    say("and ask:")
    say(f"  {program} --home {shlex.quote(str(home))} show station-01")
