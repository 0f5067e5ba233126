"""Packages to measure with: the same bytes in every round."""

import random
import shutil
import zipfile
from pathlib import Path

_PERIOD = 4_000_000  # what is longer repeats its text, farther back than deflate looks


def make_packages(inbox: Path, count: int, *, files: int = 10, size: int = 8000) -> None:
    """Fill a new folder with `count` packages: copies of one zip of `files` files of text that deflates 3:1."""
    randomness = random.Random(1)
    period = min(size, _PERIOD)
    text = " ".join(f"{randomness.random():.6f}" for _ in range(period // 4)).encode("ascii")  # over twice the period
    inbox.mkdir(parents=True)
    original = inbox.with_suffix(".zip")
    with zipfile.ZipFile(original, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(files):
            start = number * 97 % period
            with archive.open(f"reading-{number}.txt", "w") as member:
                for place in range(0, size, period):
                    member.write(text[start : start + min(period, size - place)])
    for number in range(count):
        name = f"package-{number:05}"
        (inbox / name).mkdir()
        shutil.copyfile(original, inbox / name / f"{name}.zip")
    original.unlink()
