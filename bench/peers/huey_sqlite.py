"""huey with SqliteHuey: its consumer with worker processes."""

import os
from pathlib import Path

import marks
from huey import SqliteHuey

huey = SqliteHuey(filename=str(Path(os.environ["BENCH_FOLDER"], "huey.db")), fsync=True)


@huey.task()
def job(number: int) -> None:
    marks.run(number)


def fill(_folder: Path, count: int) -> None:
    for number in range(count):
        job(number)
