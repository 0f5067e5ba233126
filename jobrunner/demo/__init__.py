"""A home to try: sample packages as an instrument would deliver them, and a handler."""

import csv
import io
import random
import zipfile
from importlib import resources
from pathlib import Path

PACKAGES = 36
_READINGS = 500
_HANDLER = "analyze.py"


def make_home(home: Path) -> None:
    """Fill an empty folder: settings, a handler, and an inbox with readings of PACKAGES stations.

    One more package is broken and one is still being received, so that there is something to see.
    """
    inbox = home / "inbox"
    inbox.mkdir()
    handler = resources.files(__name__).joinpath(_HANDLER).read_text("utf-8")
    (home / _HANDLER).write_text(handler, "utf-8")
    (home / "jobrunner.toml").touch(0o600)
    (home / "jobrunner.toml").write_text(f'[process]\ncommand = ["python3", "{_HANDLER}"]\n', "utf-8")
    randomness = random.Random(17)
    for number in range(1, PACKAGES + 1):
        name = f"station-{number:02}"
        (inbox / name).mkdir()
        with zipfile.ZipFile(inbox / name / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("readings.csv", _readings(randomness))
            archive.writestr("station.txt", f"Station {number}\n")
    broken = inbox / "station-37"
    broken.mkdir()
    damaged = bytearray((inbox / "station-01" / "station-01.zip").read_bytes())
    damaged[100:200] = bytes(100)
    (broken / "station-37.zip").write_bytes(damaged)
    (inbox / "station-38-downloading").mkdir()


def _readings(randomness: random.Random) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["minute", "celsius"])
    celsius = randomness.uniform(5, 25)
    for minute in range(_READINGS):
        celsius += randomness.gauss(0, 0.1)
        writer.writerow([minute, f"{celsius:.2f}"])
    return text.getvalue()
