"""What compares the database with the folders, mends what is safe, and makes a lost database anew."""

from jobrunner.domain.settings import Settings
from jobrunner.files import places
from jobrunner.services.checking import Checking
from jobrunner.services.rebuilding import Rebuilding
from jobrunner.services.repairing import Repairing
from jobrunner.wiring.home import Home, prepare_folders, presence_in
from jobrunner.wiring.recovering import recovery


def checking(home: Home) -> Checking:
    """Return what finds the differences of a home."""
    return Checking(home.database, home.jobs, home.workers, home.folders, home.presence)


def repairing(home: Home) -> Repairing:
    """Return what mends differences of a home."""
    policy = home.settings.retry_policy
    return Repairing(
        home.database, home.jobs, home.workers, home.folders, home.presence, recovery(home), policy, home.clock
    )


def rebuilding(settings: Settings) -> Rebuilding:
    """Return what makes a new database of a home. Raises ConfigurationError."""
    places.check_database(settings.database_path)
    folders = prepare_folders(settings)
    return Rebuilding(settings.database_path, folders, presence_in(folders.work))
