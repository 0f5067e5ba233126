"""Server and nodes of these tests are on a network whose links can be cut, with one slot a node."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.dask import Dask
from tests.cluster.lan.ticking import TICKING
from tests.cluster.network import Lan
from tests.cluster.support import ClusterHome


@pytest.fixture
def lan() -> Iterator[Lan]:
    with ExitStack() as opened:
        yield Lan(opened)


@pytest.fixture
def dask(lan: Lan, tmp_path: Path) -> Iterator[Dask]:
    folder = tmp_path / "dask"
    folder.mkdir()
    yield from lan.dask(folder)


@pytest.fixture
def home(lan: Lan, dask: Dask, tmp_path: Path) -> Iterator[ClusterHome]:
    made = ClusterHome(tmp_path / "home", dask)
    made.before = lan.in_server
    made.handler(TICKING, retry='backoff = "0.01s"')
    yield made
    made.end_all()
