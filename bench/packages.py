"""Packages to measure with: the same bytes in every round."""

import random
import zipfile
from pathlib import Path


def make_packages(inbox: Path, count: int, *, files: int = 10, size: int = 8 * 1024) -> None:
    """Fill a new folder with `count` packages of `files` files with `size` bytes each, of text that deflates 3:1."""
    randomness = random.Random(1)
    text = " ".join(f"{randomness.random():.6f}" for _ in range(size // 4)).encode("ascii")
    inbox.mkdir(parents=True)
    for number in range(count):
        name = f"package-{number:05}"
        (inbox / name).mkdir()
        with zipfile.ZipFile(inbox / name / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for member in range(files):
                start = (number * 31 + member * 97) % size
                archive.writestr(f"reading-{member}.txt", text[start : start + size])
