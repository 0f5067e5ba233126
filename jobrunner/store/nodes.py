"""The nodes of clusters, as those that run here see them."""

from collections.abc import Iterable

from jobrunner.domain.cluster import Node
from jobrunner.store.database import Database
from jobrunner.store.statements import statements


class Nodes:
    """The table of nodes. Methods that change it are called within `Database.write`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("nodes")

    def note(self, runner: str, nodes: Iterable[Node]) -> None:
        """Record which nodes a run or work, by its token, sees now."""
        self._database.execute(self._statements["forget"], {"runner": runner})
        for name, address, slots, since_at, trouble in nodes:
            node = {"runner": runner, "address": address, "name": name, "slots": slots, "since_at": since_at}
            self._database.execute(self._statements["add"], node | {"trouble": trouble})

    def all(self) -> list[Node]:
        """Return the nodes that are seen, by their names."""
        return [
            Node(row["name"], row["address"], row["slots"], row["since_at"], row["trouble"])
            for row in self._database.rows(self._statements["all"])
        ]
