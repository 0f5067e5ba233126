"""Which handler the settings name, and whether it can start."""

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.settings import ProcessSettings
from jobrunner.process.account import Account
from jobrunner.process.callable import CallableHandler
from jobrunner.process.command import CommandHandler
from jobrunner.process.environment import WORKER_VARIABLE, environment_of
from jobrunner.process.handler import Handler
from jobrunner.process.limits import Limits
from jobrunner.process.starting import obstacle


def handler_for(settings: ProcessSettings, home: Path, worker: str) -> Handler | None:
    """Return the configured handler, None if there is none. `worker` is the token that marks its processes."""
    limits = Limits.of(settings)
    environment = environment_for(settings, worker)
    if settings.command is not None:
        return CommandHandler(settings.command, home, environment, limits)
    if settings.callable is not None:
        return CallableHandler(settings.callable, home, environment, limits, settings.recycle_after)
    return None


def environment_for(settings: ProcessSettings, worker: str) -> dict[str, str]:
    """Return what the handler's processes of a worker, by its token, find in their environment before any call."""
    return environment_of(settings, Account.of(settings.user), os.environ) | {WORKER_VARIABLE: worker}


def check(settings: ProcessSettings, home: Path) -> None:
    """Raise ConfigurationError where the handler is certain not to start."""
    limits = Limits.of(settings)
    limits.check()
    if settings.command is not None:
        environment = environment_of(settings, limits.account, os.environ)
        if why := obstacle(settings.command[0], home, environment):
            raise ConfigurationError(f"process.command: {why}")
    if settings.callable is not None:
        module = settings.callable.partition(":")[0].partition(".")[0]
        if PathFinder.find_spec(module, [str(home), *sys.path]) is None:
            raise ConfigurationError(
                f"process.callable: there is no module {module} in {home} or among those installed"
            )
