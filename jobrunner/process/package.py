"""The package as a callable gets it: it can say how far the handler is."""

from jobrunner.domain import package
from jobrunner.process.progress_file import ProgressFile


class Package(package.Package):
    """What a callable handler gets.

    `data` is the folder with the zip's extracted members: what the handler writes there is archived.
    `zip` is the file as the sender left it. `attempt` counts from 1 over the life of the job.
    """

    _file: ProgressFile | None = None

    @classmethod
    def of(cls, value: package.Package, progress_path: str) -> "Package":
        """Return the package whose progress is written into that file."""
        made = cls(*value)
        made._file = ProgressFile(progress_path)
        return made

    def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        """Say how far the handler is: `done` of `total`, and what it is at in a few words. `jobrunner status` shows it.

        It may be said as often as you like: it is cheap, and it never raises an error. Processes of yours that get the
        package can say it, too. Of a package that you have made yourself, as in your tests, it does nothing.
        """
        if self._file:
            self._file.tell(done, total, text)
