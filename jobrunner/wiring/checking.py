"""Builds the services of `check`: they compare, repair and rebuild."""

from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.findings import Finding, Kind
from jobrunner.domain.settings import Settings
from jobrunner.services.checking import Checking
from jobrunner.services.rebuilding import Rebuilding
from jobrunner.services.repairing import Repairing
from jobrunner.wiring import safety
from jobrunner.wiring.home import Home, prepare_folders, presence_in, store_of, waiting
from jobrunner.wiring.recovering import recovery
from jobrunner.wiring.running import require_handler


def checking(home: Home) -> Checking:
    """Return the service that finds the differences of a home."""

    def keeps_from_starting() -> Finding | None:
        try:
            require_handler(home.settings)
        except ConfigurationError as error:
            path = home.settings.home / safety.SETTINGS_FILE
            return Finding(Kind.CANNOT_START, str(path), reason=str(error))
        return None

    return Checking(home.store, home.folders, home.presence, keeps_from_starting)


def repairing(home: Home) -> Repairing:
    """Return the service that mends differences of a home."""
    policy = home.settings.retry_policy
    return Repairing(home.store, home.folders, home.presence, recovery(home), policy)


def rebuilding(settings: Settings, emit: Emit) -> Rebuilding:
    """Return the service that makes a new database for a home. Raises ConfigurationError."""
    folders = prepare_folders(settings, emit)
    return Rebuilding(store_of(settings, waiting(emit)), folders, presence_in(folders.work))
