"""The roles of our processes."""

from enum import StrEnum


class Role(StrEnum):
    """What a process is there for."""

    COMMAND = "command"
    SUPERVISOR = "supervisor"
    SCANNER = "scanner"
    WORKER = "worker"
    GUARD = "guard"
    NOTIFIER = "notifier"
    DISPATCHER = "dispatcher"
