"""Runs your program once on each data package that is dropped into a folder, through any crash."""

from jobrunner.domain.errors import Reject, RetryLater
from jobrunner.process.package import Package

__all__ = ["Package", "Reject", "RetryLater"]
