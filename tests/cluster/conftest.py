"""A cluster for all tests of one process, since Dask takes its time to start; what a test ends is started again."""

from collections.abc import Iterator

import pytest

from tests.cluster.dask import Dask, started
from tests.cluster.support import ClusterHome


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    yield from started(tmp_path_factory.mktemp("dask"))


@pytest.fixture
def dask(shared: Dask) -> Iterator[Dask]:
    yield shared
    if shared.scheduler.has_ended():
        shared.scheduler.start()
    for name in [name for name in shared.nodes if name not in {"a", "b"}]:
        shared.nodes.pop(name).kill_tree()
    for node in shared.nodes.values():
        if node.has_ended():
            shared.start(node)


@pytest.fixture
def home(dask: Dask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHome]:
    made = ClusterHome(tmp_path_factory.mktemp("home") / "home", dask)
    yield made
    made.end_all()
