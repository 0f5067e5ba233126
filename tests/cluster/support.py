"""A home whose handlers run on a cluster."""

from pathlib import Path

from tests.cluster.dask import TIMEOUTS, Dask
from tests.scripts import Note, journal
from tests.support import TestHome, wait_until

#: A handler that, where the file HOME/wait is, notes its start and waits until that is gone.
WAITS = """
start()
while (HOME / "wait").exists():
    threading.Event().wait(0.01)
note("end")
"""


class ClusterHome(TestHome):
    """It is one machine: what a node sees of the home is the home."""

    __test__ = False

    def __init__(self, path: Path, dask: Dask) -> None:
        super().__init__(path)
        self.dask = dask

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | TIMEOUTS

    def configure(self, text: str) -> None:
        super().configure(text + self.dask.settings)

    def hold(self) -> Path:
        """Have handlers wait, until the file is removed that is returned."""
        held = self.path / "wait"
        held.touch()
        return held

    def running(self, *words: str) -> Note:
        """Start jobrunner, and return the note of the first handler's start."""
        self.start(*(words or ("run", "-n", "2")))
        return wait_until(lambda: journal(self.path, "start"))[0]

    def nodes(self, name: str = "p") -> list[str | None]:
        """On which node each attempt at a package ran."""
        return [attempt["node"] for attempt in self.show(name)["attempts"]]

    def outcomes(self, name: str = "p") -> list[str | None]:
        return [attempt["outcome"] for attempt in self.show(name)["attempts"]]

    def errors(self, name: str = "p") -> list[str | None]:
        return [attempt["error"] for attempt in self.show(name)["attempts"]]
