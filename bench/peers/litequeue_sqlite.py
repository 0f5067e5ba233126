"""litequeue: a library, so the loop is ours: pop, work, done. Its own setting would be synchronous=NORMAL."""

import sys
from pathlib import Path

import marks
from litequeue import LiteQueue


def fill(folder: Path, count: int) -> None:
    queue = _open(folder)
    for number in range(count):
        queue.put(str(number))


def _open(folder: Path) -> LiteQueue:
    queue = LiteQueue(folder / "queue.db", timeout=60)
    queue.conn.execute("PRAGMA synchronous = FULL")
    return queue


def main(folder: Path, workers: int) -> None:
    queue = _open(folder)
    marks.start_together(folder, workers)
    while message := queue.pop():
        marks.run(int(message.data))
        queue.done(message.message_id)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
