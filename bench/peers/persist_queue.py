"""persist-queue's SQLiteAckQueue: a library, so the loop is ours: get, work, ack.

The queue is not made for several processes: two may get the same item.
"""

import sys
from pathlib import Path

import marks
from persistqueue import Empty, SQLiteAckQueue


def fill(folder: Path, count: int) -> None:
    queue = SQLiteAckQueue(str(folder / "queue"))
    for number in range(count):
        queue.put(number)


def main(folder: Path, workers: int) -> None:
    queue = SQLiteAckQueue(str(folder / "queue"), auto_resume=False)  # or it would take what others work on
    marks.start_together(folder, workers)
    while True:
        try:
            item = queue.get(block=False, raw=True)
        except Empty:
            return
        marks.run(item["data"])
        queue.ack(id=item["pqid"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
