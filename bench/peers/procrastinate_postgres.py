"""Procrastinate on PostgreSQL: its own worker program, one job at a time in each."""

import os
from pathlib import Path

import marks
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_URL"]))


@app.task
def job(number: int) -> None:
    marks.run(number)


def fill(_folder: Path, count: int) -> None:
    with app.open():
        app.schema_manager.apply_schema()
        job.batch_defer(*({"number": number} for number in range(count)))
