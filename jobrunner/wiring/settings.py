"""Reads the settings of a home."""

import os
import tomllib
from pathlib import Path
from typing import NamedTuple

from jobrunner.domain import settings_file
from jobrunner.domain.errors import ConfigurationError, NoHome, in_words
from jobrunner.domain.settings import Settings
from jobrunner.files import places
from jobrunner.files.settings_file import SettingsText, read
from jobrunner.wiring.safety import SETTINGS_FILE


class Loaded(NamedTuple):
    """Settings, and what they were made of: `file` as it was `read`, its tables in `toml`."""

    settings: Settings
    file: Path
    read: SettingsText
    toml: dict[str, object]


def load(home: Path) -> Loaded:
    """Return the settings of a home with what they were made of.

    Raises ConfigurationError where they are wrong, NoHome.
    """
    home = home.resolve()
    file = home / SETTINGS_FILE
    try:
        found = read(str(file))
        toml = tomllib.loads(found.text or "")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not UTF-8: save it as UTF-8") from None
    except PermissionError as error:
        raise ConfigurationError(
            f"the settings cannot be read: {in_words(error)}; their owner can let a group read: database.group"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"the settings cannot be read: {in_words(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}") from error
    settings = settings_file.build(home, toml, os.environ, source=str(file))
    if not any(path.exists() for path in (file, settings.database_path, settings.folders.inbox)):
        raise NoHome(
            f"{home} is no jobrunner home (no {SETTINGS_FILE}, no database, no inbox): "
            "go to one, name it with --home, or make one with jobrunner init"
        )
    places.check_apart(settings)
    return Loaded(settings, file, found, toml)
