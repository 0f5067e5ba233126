"""Builds the processes that run for long: the supervisor, its workers and its scanner."""

import os
import signal
from contextlib import ExitStack, suppress
from functools import partial

from jobrunner.domain.envelope import Emit
from jobrunner.domain.events import GivenUp
from jobrunner.domain.exits import ExitOf, GiveUp
from jobrunner.domain.package import shown
from jobrunner.domain.role import Role
from jobrunner.domain.settings import Settings
from jobrunner.files import probe
from jobrunner.files.arrivals import Arrivals
from jobrunner.linux.locks import Waiting
from jobrunner.process import cgroup, choosing
from jobrunner.process.account import Account
from jobrunner.process.guard import Guard
from jobrunner.process.output import Room
from jobrunner.process.presence import Present
from jobrunner.process.signals import StopRequest
from jobrunner.process.title import Title
from jobrunner.services.executing import Executor, LocalExecutor, NoHandler
from jobrunner.services.inbox_watch import InboxWatch
from jobrunner.services.machine import Machine, Stopped, Tell
from jobrunner.services.pausing import PauseWatch
from jobrunner.services.reloading import Reloading
from jobrunner.services.remote_executing import RemoteExecutor
from jobrunner.services.serving import Serving
from jobrunner.services.slot import Main
from jobrunner.services.slots import Crew
from jobrunner.services.supervision import Supervisor
from jobrunner.store.bell import Bell
from jobrunner.wiring import clustering, notifying
from jobrunner.wiring.clustering import Way
from jobrunner.wiring.home import Home, hold_to_one_work_folder, home_of, store_of
from jobrunner.wiring.notifying import Overheard, notifier_main
from jobrunner.wiring.pruning import retention
from jobrunner.wiring.recovering import recovery
from jobrunner.wiring.working import worker


def require_handler(settings: Settings) -> None:
    """Raise ConfigurationError where the handler is certain not to start, or notices not to be sent."""
    process = settings.process
    choosing.check(process, settings.home)
    if account := Account.of(process.user):
        account.check_reach(str(settings.folders.work))
    cgroup.check(process.max_processes)
    notifying.check(settings)
    clustering.check(settings)


def supervisor(
    home: Home,
    exit_of: ExitOf,
    reloading: Reloading,
    serving: Serving,
    *,
    drain: bool = False,
    scan: bool = False,
    overheard: Overheard | None = None,
) -> Supervisor:
    """Return a supervisor of workers that end when nothing is left to `drain`, and of a scanner, too, with `scan`.

    `overheard`: what the process hears that sends notices, if the settings ask for one; None: there is none.
    Raises ConfigurationError where the handler is certain not to start.
    """
    require_handler(home.settings)
    Title(f"supervisor {shown(str(home.settings.home))}").take()
    way = clustering.way_to_nodes(home.settings)
    bell = Bell(home.store.database.path)

    def crew_of() -> Crew:
        settings = reloading.settings
        return Crew(
            worker_main(settings, exit_of, bell, way, drain=drain),
            reloading.workers,
            scanner_main(settings) if scan else None,
            drain,
            settings.work.shutdown_grace,
            settings.retry_policy,
            notifier_main(settings, overheard) if overheard else None,
            clustering.dispatcher_main(settings, way),
        )

    looks = (PauseWatch(home.store, home.emit).look, retention(home).look)
    recovering = recovery(home)
    supervising = Supervisor(
        home.store, home.presence, recovering, reloading, crew_of, home.emit, exit_of, serving, looks
    )
    try:
        hold_to_one_work_folder(home)  # now that others see us
    except BaseException:
        supervising.leave()
        raise
    return supervising


def worker_main(settings: Settings, exit_of: ExitOf, bell: Bell, way: Way | None, *, drain: bool) -> Main:
    """Return the main function of a worker, which waits for a bell that this process has made.

    `way`: to the nodes that run the handler, None where it runs here.
    """

    def main(supervisor: str, number: int, tell: Tell, emit: Emit) -> None:
        title = Title(f"worker {number}")
        title.take()
        home = home_of(settings, store_of(settings, Waiting(tell)), emit)
        folders, store = home.folders, home.store
        stop = StopRequest({signal.SIGTERM}, drains=True)
        remote = way and way.remote(settings, stop)
        others = remote.trouble if remote else (lambda: None)
        machine = Machine(folders, settings.extract.keep_free, store, tell, stop, others)
        store.database.waiting.tell, store.database.waiting.give_up = machine.say, stop.at_once
        with suppress(Stopped), ExitStack() as ending:
            present = machine.until_it_works(home.presence.appear)
            ending.callback(present.leave)
            machine.token = present.token
            store.close()  # the guard is forked, and a probe may have opened it
            executor: Executor = NoHandler()
            if remote:
                ending.callback(remote.close)
                executor = RemoteExecutor(remote, settings.home, folders, machine, settings.cluster.node_timeout)
            elif guard := guard_for(settings, present, exit_of, emit, Title(f"guard {number}")):
                ending.callback(guard.close)
                executor = LocalExecutor(guard, settings.home, folders, machine, Account.of(settings.process.user))
            os.umask(0o777 & ~settings.folders.mode)  # the handler's stays as jobrunner was started with
            ending.callback(store.close)
            machine.until_it_works(store.open_in_turn)
            worker(home, executor, machine, stop, way.turns if way else None).run(
                present.token, supervisor, title, bell, drain=drain
            )

    return main


def guard_for(settings: Settings, present: Present, exit_of: ExitOf, emit: Emit, title: Title) -> Guard | None:
    """Fork a guard that runs the configured handler; None if there is none. The database has to be closed."""
    process = settings.process
    handler = choosing.handler_for(process, settings.home, present.token)
    if handler is None:
        return None
    return Guard(
        handler,
        timeout=process.timeout,
        present=present,
        give_up=_giving_up(exit_of, emit.in_role(Role.GUARD)),
        max_processes=process.max_processes,
        room=Room(process.max_log, settings.extract.keep_free),
        title=title,
    )


def _giving_up(exit_of: ExitOf, emit: Emit) -> GiveUp:
    """Return what a guard says before it ends for an error."""

    def give_up(error: BaseException) -> int:
        status, words = exit_of(error, Role.GUARD)
        emit(GivenUp(os.getpid(), words))
        return status

    return give_up


def scanner_main(settings: Settings) -> Main:
    """Return the main function of the process that scans beside the workers."""

    def main(supervisor: str, _number: int, tell: Tell, emit: Emit) -> None:
        Title("scanner").take()
        home = home_of(settings, store_of(settings, Waiting(tell)), emit)
        inbox_watch(home, supervisor).run(tell, {signal.SIGTERM})

    return main


def inbox_watch(home: Home, token: str) -> InboxWatch:
    """Return what watches the inbox, and counts in the row of the run or scan with this token what it missed."""
    look = partial(probe.look, home.folders, home.settings.extract.keep_free)
    return InboxWatch(home.store, home.intake, Arrivals(home.inbox.folder), look, home.emit, token)
