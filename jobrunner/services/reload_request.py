"""Asks whoever goes on in a home to take changed settings over, and waits for the answers."""

import time
from collections.abc import Iterator

from jobrunner.domain.reload import Answer, Reloaded
from jobrunner.store.runners import RunnerRecord
from jobrunner.store.store import Store

#: Seconds for all answers: a process looks for requests once or twice a second, unless it waits for the machine.
PATIENCE = 30.0
_PAUSE = 0.05


class ReloadRequest:
    """One request to all run, work and scan of a home. It stays in their rows: who is late takes it up later."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def answers(self, patience: float = PATIENCE) -> Iterator[Answer]:
        """Ask, then yield each answer as it comes. Raises StoreError."""
        waiting = self._ask()
        deadline = time.monotonic() + patience
        while waiting:
            for runner, number in list(waiting.items()):
                answer = self._answer(runner, number)
                if answer:
                    del waiting[runner]
                    yield answer
            if time.monotonic() >= deadline:
                break
            if waiting:
                time.sleep(_PAUSE)
        for runner in waiting:
            yield Answer(runner.command, runner.process.pid, None)

    def _ask(self) -> dict[RunnerRecord, int]:
        """Ask all that live, as /proc says, and return the number of the request in each."""
        with self._store.write():
            asked = {
                runner: self._store.runners.ask_to_reload(runner.token)
                for runner in self._store.runners.all()
                if runner.process.lives()
            }
        return {runner: number for runner, number in asked.items() if number is not None}

    def _answer(self, runner: RunnerRecord, number: int) -> Answer | None:
        has_ended = not runner.process.lives()  # before its row is read: it may have answered at last
        reloads = self._store.runners.reloads(runner.token)
        if reloads and reloads.done >= number and reloads.answer is not None:
            return Answer(runner.command, runner.process.pid, Reloaded.of_text(reloads.answer))
        if has_ended or reloads is None:
            return Answer(runner.command, runner.process.pid, None, has_ended=True)
        return None
