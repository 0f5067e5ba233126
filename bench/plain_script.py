"""The polling script that jobrunner replaces, as people write it: an in-memory queue, three processes, nothing flushed.

python bench/plain_script.py HOME: processes HOME/inbox into HOME/archive and ends.
"""

import multiprocessing
import shutil
import sys
import zipfile
from pathlib import Path


def work(queue: "multiprocessing.Queue[str | None]", home: Path) -> None:
    while (name := queue.get()) is not None:
        folder = home / "inbox" / name
        with zipfile.ZipFile(folder / f"{name}.zip") as archive:
            archive.extractall(folder)
        shutil.move(folder, home / "archive" / name)


def main(home: Path) -> None:
    (home / "archive").mkdir()
    queue: multiprocessing.Queue[str | None] = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=work, args=(queue, home)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for folder in sorted((home / "inbox").iterdir()):
        queue.put(folder.name)
    for _ in workers:
        queue.put(None)
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
