"""Celery on Redis, without results: its own worker program with its pool of processes."""

import os
from pathlib import Path

import marks
from celery import Celery

app = Celery(broker=os.environ["BENCH_URL"])


@app.task(ignore_result=True)
def job(number: int) -> None:
    marks.run(number)


def fill(_folder: Path, count: int) -> None:
    for number in range(count):
        job.delay(number)
