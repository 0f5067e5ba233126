"""Where run, work and scan say what happens: on stderr or in a file, for people or as JSON; no reader is waited for."""

import os
import sys
import time
from collections.abc import Callable

from jobrunner.cli import terminal
from jobrunner.cli.log_options import Asked
from jobrunner.cli.main import exits
from jobrunner.cli.output import colourful, complaint, priority, text_of
from jobrunner.documents.as_text import as_text as json_of
from jobrunner.documents.event import event_document
from jobrunner.domain.envelope import Envelope
from jobrunner.domain.errors import in_words
from jobrunner.domain.events import Event, EventsLost, GivenUp
from jobrunner.domain.outgoing import Outgoing
from jobrunner.domain.package import printable
from jobrunner.domain.role import Role
from jobrunner.domain.settings import Settings
from jobrunner.wiring.log import let_be_read, to_file, to_stderr
from jobrunner.words.events import of_event

#: Characters of a bug's report that go into one object: a pipe takes its line whole.
_LONGEST = 2000


class Place:
    """A stream or a file in which each event has a line."""

    def __init__(self, outgoing: Outgoing, line_of: Callable[[Envelope], str], encoding: str = "utf-8") -> None:
        self.outgoing = outgoing
        self._line_of = line_of
        self._encoding = encoding
        self._lost = 0

    def show(self, envelope: Envelope) -> None:
        """Say an event. Where there is no room for its line it is lost; how many were is said once there is."""
        self._tell_loss()
        if self._lost or not self.write(self._line_of(envelope)):
            self._lost += 1

    def flush(self) -> None:
        """Write what could not be written before, as far as that is possible now."""
        self.outgoing.flush()
        self._tell_loss()

    def write(self, line: str, end: str = "\n") -> bool:
        """Write a text, now or later; return False where it is lost."""
        return self.outgoing.put(f"{line}{end}".encode(self._encoding, "backslashreplace"))

    def forget(self) -> None:
        """Leave what is kept, and what is to be said of losses, to the process that this one was forked from."""
        self.outgoing.forget()
        self._lost = 0

    def _tell_loss(self) -> None:
        if self._lost and self.write(self._line_of(_envelope(EventsLost(self._lost)))):
            self._lost = 0


class Log:
    """The places of one command: stderr and, if one is named, a file."""

    def __init__(self, stderr: Place, file: Place | None, form: str | None) -> None:
        """With a `file`, events are said on `stderr` to a person at a terminal only; why the command ends, always.

        `form`: what is asked for, if anything is.
        """
        self._stderr = stderr
        self._file = file
        self._shows = file is None or os.isatty(2)
        self._is_json = file is None and form == "json"
        self._pid = os.getpid()
        self._fault = ""
        #: Whether a terminal may show more than lines.
        self.may_draw = self._shows and (file is not None or form is None)

    @property
    def is_behind(self) -> bool:
        """Whether stderr has a reader who takes nothing more for now."""
        outgoing = self._stderr.outgoing
        return outgoing.is_behind and outgoing.fault is None

    def show(self, envelope: Envelope) -> None:
        """Say an event; a child of this process may do so, too."""
        self._leave_to_parent()
        if self._shows:
            self._stderr.show(envelope)
        self._keep(envelope)

    def draw(self, text: str) -> None:
        """Write on the terminal what is no line."""
        self._stderr.write(text, end="")

    def flush(self) -> None:
        """Write what could not be written before, as far as that is possible now."""
        self._stderr.flush()
        if self._file:
            self._file.flush()

    def complain(self, why: str) -> None:
        """Say why the command ends."""
        event = _envelope(GivenUp(os.getpid(), why))
        self._keep(event)
        if self._is_json:
            self._stderr.show(event)
        else:
            self._complain(why)
        self.end(is_stopped=True)

    def report(self, text: str) -> None:
        """Show the report of a bug on stderr; a child that meets one may do so, too."""
        self._leave_to_parent()
        if self._is_json:
            self._stderr.show(_envelope(GivenUp(os.getpid(), text[-_LONGEST:])))
        else:
            self._stderr.write(printable(text, keep="\n"), end="")

    def end(self, *, is_stopped: bool) -> None:
        """Let whoever reads stderr take the rest; with `is_stopped` not for long."""
        self.flush()
        let_be_read(self._stderr.outgoing, is_stopped=is_stopped)
        self.flush()

    def _leave_to_parent(self) -> None:
        """Forget, in a child, what its parent has still to write."""
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self._stderr.forget()
            if self._file:
                self._file.forget()

    def _keep(self, envelope: Envelope) -> None:
        """Say an event in the file, if there is one, and once on stderr that it cannot be written."""
        if self._file is None:
            return
        self._file.show(envelope)
        fault = self._file.outgoing.fault
        why = in_words(fault) if fault else ""
        if why and why != self._fault:
            self._complain(f"the log cannot be written, and the work goes on: {why}")
        self._fault = why

    def _complain(self, message: str) -> None:
        self._stderr.write(printable(complaint(message)))


def open_log(settings: Settings, asked: Asked) -> Log:
    """Return the log of a command; errors that end the command go there, too, from now on.

    Raises ConfigurationError, OSError.
    """
    form = asked.format or settings.log.format
    by, path = ("--log-file", asked.file.absolute()) if asked.file else ("log.file", settings.log.file)
    in_file = _in_json if form == "json" else _in_text
    file = Place(to_file(settings, path, by), in_file) if path else None
    encoding = sys.stderr.encoding
    on_stderr = _on_stderr_as_json(encoding) if form == "json" and not path else _on_stderr
    log = Log(Place(to_stderr(), on_stderr, encoding), file, form)
    exits.complain, exits.show = log.complain, log.report
    return log


def _in_text(envelope: Envelope) -> str:
    return text_of(terminal.in_file(envelope), in_colour=False)


def _in_json(envelope: Envelope, encoding: str = "utf-8") -> str:
    label, _, text = of_event(envelope.event)
    return json_of(event_document(envelope, printable(f"{label}  {text}")), encoding)


def _on_stderr(envelope: Envelope) -> str:
    return text_of(terminal.on_stderr(envelope), in_colour=colourful(2))


def _on_stderr_as_json(encoding: str) -> Callable[[Envelope], str]:
    return lambda envelope: f"{priority(envelope.level)}{_in_json(envelope, encoding)}"


def _envelope(event: Event) -> Envelope:
    return Envelope(time.time(), os.getpid(), Role.COMMAND, None, None, event)
