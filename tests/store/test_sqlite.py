import apsw
import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.store.sqlite import refuse_affected


@pytest.mark.parametrize("version", ["3.51.2", "3.50.4", "3.9.9", "2.99.99"])
def test_an_sqlite_that_can_corrupt_the_database_is_refused(version: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"SQLite {version} can corrupt .* 3\.51\.3 or newer"):
        refuse_affected(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "3.100.0", apsw.sqlite_lib_version()])
def test_a_sound_sqlite_is_taken(version: str) -> None:
    refuse_affected(version)
    with pytest.raises(ConfigurationError):  # and the same call does refuse
        refuse_affected("3.51.2")
