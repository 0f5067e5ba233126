"""A file with a secret, which only jobrunner's user may read."""

import os

from jobrunner.domain.errors import ConfigurationError, in_words
from jobrunner.domain.package import shown

_MOST = 4096  # bytes
_OTHERS = 0o077


def read(key: str, path: str, *, most: int = _MOST) -> bytes:
    """Return the secret, of up to so many bytes, without the end of its line.

    Raises ConfigurationError, which names the setting.
    """
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            secret = file.read(most + 1)
    except OSError as error:
        raise ConfigurationError(f"{key} cannot be read: {in_words(error)}") from error
    if status.st_mode & _OTHERS:
        raise ConfigurationError(f"{key}: others may use {shown(path)}, so it is no secret: chmod 600 {shown(path)}")
    if status.st_uid not in {0, os.geteuid()}:
        raise ConfigurationError(f"{key}: {shown(path)} belongs to another user, who knows it: make one of your own")
    secret = secret.rstrip(b"\r\n")
    if not secret or len(secret) > most:
        raise ConfigurationError(f"{key}: {shown(path)} must have a line of 1 to {most:,} bytes")
    return secret
