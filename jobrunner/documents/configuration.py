"""The document of `config`."""

from typing import Any

from jobrunner.domain.configuration import Configuration


def configuration_document(configuration: Configuration) -> dict[str, Any]:
    """Return every setting; values are as in the file, null where nothing is set."""
    return {
        "home": configuration.home,
        "home_origin": configuration.home_origin,
        "file": configuration.file,
        "settings": [
            {
                "key": setting.key,
                "value": setting.value,
                "origin": setting.origin,
                "is_default": setting.is_default,
                "warning": "; ".join(setting.warnings) or None,
            }
            for setting in configuration.settings
        ],
    }
