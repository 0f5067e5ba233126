"""dramatiq on Redis: its own program, with as many processes as wanted of one thread each."""

import os
from pathlib import Path

import dramatiq
import marks
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_URL"]))


@dramatiq.actor
def job(number: int) -> None:
    marks.run(number)


def fill(_folder: Path, count: int) -> None:
    for number in range(count):
        job.send(number)
