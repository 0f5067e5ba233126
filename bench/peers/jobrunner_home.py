"""The whole of jobrunner: a home with small packages and a command that runs the job."""

import json
import sys
from pathlib import Path

from packages import make_packages


def fill(folder: Path, count: int) -> None:
    make_packages(folder / "inbox", count, files=1)
    (folder / "job.py").write_text("import marks\nmarks.run(0)\n")
    command = json.dumps([sys.executable, "job.py"])
    (folder / "jobrunner.toml").write_text(f'[process]\ncommand = {command}\ntimeout = "1h"\n')
