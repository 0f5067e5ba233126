from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.domain.errors import JobrunnerError
from jobrunner.services.trying import Trying
from jobrunner.wiring.bugs import Exits
from jobrunner.wiring.trying import trying
from tests.support import TestHome


@pytest.fixture
def bench(home: TestHome) -> Iterator[Trying]:
    with home.open() as opened:
        yield trying(opened, Exits(None, print).of)


@pytest.mark.parametrize("named", ["p", "p.zip", "p-downloading", "inbox/p", "inbox/p/"])
def test_a_package_is_found_as_explain_finds_it(home: TestHome, bench: Trying, named: str) -> None:
    home.package("p")
    source = bench.find(named)
    assert source.path == str(home.inbox / "p")
    assert (source.job.name, source.job.attempt, source.job.failures) == ("p", 1, 0)


@pytest.mark.parametrize("named", ["p~1", "failed/p~1"])
def test_a_delivery_that_was_put_aside_has_its_own_name(home: TestHome, bench: Trying, named: str) -> None:
    home.package("p", folder=home.failed).rename(home.failed / "p~1")
    source = bench.find(named)
    assert (source.path, source.job.name) == (str(home.failed / "p~1"), "p")


def test_a_folder_elsewhere_goes_before_a_package_of_its_name(home: TestHome, bench: Trying, tmp_path: Path) -> None:
    home.package("p")
    home.package("p", folder=tmp_path)  # where we are
    assert bench.find("./p").path == str(tmp_path / "p")
    assert bench.find("p").path == str(home.inbox / "p")
    assert bench.find("p/p.zip").path == str(tmp_path / "p" / "p.zip")


def test_a_name_that_means_nothing_is_refused(bench: Trying) -> None:
    with pytest.raises(JobrunnerError, match="there is no package, folder or zip named nothing: jobrunner explain"):
        bench.find("nothing")
