"""RQ on Redis: its own worker program, which forks for each job."""

import os
from pathlib import Path

from redis import Redis
from rq import Queue


def fill(_folder: Path, count: int) -> None:
    queue = Queue(connection=Redis.from_url(os.environ["BENCH_URL"]))
    queue.enqueue_many([Queue.prepare_data("marks.run", (number,)) for number in range(count)])
