"""The systemd unit of a home, or of several, as text. What each line means: systemd.service(5), .exec(5), .kill(5)."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.package import shown

#: Seconds beside the grace of running jobs: killed workers' guards end what they run, and the rest is recovered.
_AFTER_GRACE = 30
#: What needs no quotes in a unit.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:,=")


class Unit(NamedTuple):
    """What a unit is made of.

    `program`: the words that start jobrunner, the first an absolute path. `home`: where, None for a template, whose
    instances name their homes. `needed`: all folders, each of which may be a disk of its own; `paths`: those in which
    all of them lie, to be written to. `umask` is a number, `grace` in seconds.
    """

    program: Sequence[str]
    user: str
    home: str | None = None
    needed: Sequence[str] = ()
    paths: Sequence[str] = ()
    umask: int = 0o022
    grace: float = 30.0


def unit_text(unit: Unit) -> str:
    """Return the unit. Raises ConfigurationError where it has to name what no unit can name."""
    home = "%f" if unit.home is None else quoted(unit.home)
    program = " ".join([quoted(f":{unit.program[0]}"), *map(quoted, unit.program[1:]), "--home", home])
    paths = home if unit.home is None else " ".join(map(quoted, unit.paths))
    return _UNIT.format(
        install=(_INSTALL_TEMPLATE if unit.home is None else _INSTALL).format(home=shown(unit.home or "")),
        home=home,
        program=program,
        needed=home if unit.home is None else " ".join(map(quoted, unit.needed)),
        paths=paths,
        user=unit.user,
        umask=f"{unit.umask:04o}",
        stop=math.ceil(unit.grace) + _AFTER_GRACE,
    )


def web_unit_text(unit: Unit) -> str:
    """Return the unit of a home's dashboard. Raises ConfigurationError where it has to name what no unit can name."""
    program = " ".join([quoted(f":{unit.program[0]}"), *map(quoted, unit.program[1:])])
    home = quoted(unit.home or "")
    needed = " ".join(map(quoted, unit.needed))
    return _WEB_UNIT.format(shown=shown(unit.home or ""), home=home, program=program, needed=needed, user=unit.user)


def quoted(text: str) -> str:
    """Return a path as a word of a unit, in which %, quotes, backslashes and spaces mean themselves.

    A "$" means itself where the program's word begins with ":". Raises ConfigurationError where that is impossible.
    """
    if not text.isprintable():
        raise ConfigurationError(f"a systemd unit cannot name {shown(text)}: rename it, or use a symbolic link to it")
    escaped = text.replace("%", "%%")
    if _PLAIN.issuperset(text):
        return escaped
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'


def outermost(paths: Iterable[str]) -> list[str]:
    """Return those of these absolute paths that lie in no other one of them."""
    found: list[str] = []
    for path in sorted(paths, key=lambda path: path.rstrip("/") + "/"):
        if not any(f"{path}/".startswith(f"{outer.rstrip('/')}/") for outer in found):
            found.append(path)
    return found


_INSTALL = """\
# jobrunner in {home}, as a service of systemd.
# Install this as root, as the file /etc/systemd/system/jobrunner.service, and start it now and at each boot:
#   systemctl daemon-reload
#   systemctl enable --now jobrunner
# See how it is: systemctl status jobrunner; journalctl -u jobrunner
"""
_INSTALL_TEMPLATE = """\
# jobrunner in several homes, each as a service of systemd.
# Install this as root, as the file /etc/systemd/system/jobrunner@.service. Then, for each home such as /srv/lab:
#   systemctl daemon-reload
#   systemctl enable --now "jobrunner@$(systemd-escape --path /srv/lab)"
# See how they are: systemctl status 'jobrunner@*'
# What differs for one home, such as User=: systemctl edit "jobrunner@$(systemd-escape --path /srv/lab)"
"""
_UNIT = """\
{install}# After a change of jobrunner.toml: systemctl reload. After a change of its folders: print this again.
# Handlers find programs in systemd's PATH. Where that is not enough, add a line Environment="PATH=..." to [Service].

[Unit]
Description=jobrunner in {home}
# At boot it waits for the disks and shares of its folders.
RequiresMountsFor={needed}
# It is started again for some ten minutes: a disk that is gone may come back.
StartLimitIntervalSec=30min
StartLimitBurst=60

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run
# It fails, and says why, where the changed settings cannot be taken over.
ExecReload={program} reload
User={user}
UMask={umask}
SyslogIdentifier=jobrunner
Restart=on-failure
RestartSec=10s
# How it ends when it is told to stop.
SuccessExitStatus=130 143
# It is killed and started again where a worker, the scanner or the supervisor is stopped or hangs.
WatchdogSec=2min
# Then, too, running packages get their grace.
WatchdogSignal=SIGTERM
# The first scan of a huge inbox, and the way back from a crash, may take their time.
TimeoutStartSec=infinity
# Running packages get [work] shutdown_grace; where that is longer than this, jobrunner asks for more.
TimeoutStopSec={stop}s
# A stop is told to jobrunner alone, which ends the rest.
KillMode=mixed
# jobrunner makes a control group for each handler. (So leave ProtectControlGroups= out.)
Delegate=yes
# A handler that takes too much memory is killed alone.
OOMPolicy=continue

# What follows keeps handlers from harm, and may keep yours from working: each line says what it breaks. Remove the "#"
# of the ones that you want, and try a package. The first three are good for most.
# sudo, and other programs that take another user's rights:
#NoNewPrivileges=yes
# Files that handlers write anywhere but in these folders; in /tmp, too, without PrivateTmp=yes. (Nothing can be renamed
# from one of these paths to another: add what your handlers need, but nothing that lies in them.)
#ProtectSystem=strict
#ReadWritePaths={paths}
# Files that handlers exchange with others through /tmp, and a home in it:
#PrivateTmp=yes
# Caches and settings that programs write below /home and /root. (With folders there: only with ReadWritePaths=.)
#ProtectHome=read-only
# Graphics cards, cameras, serial ports, FUSE:
#PrivateDevices=yes
# Programs that change the kernel's settings, load modules or read its log:
#ProtectKernelTunables=yes
#ProtectKernelModules=yes
#ProtectKernelLogs=yes
# Sandboxes and containers, such as bwrap, unshare, podman:
#RestrictNamespaces=yes
# Licence servers, downloads, databases on other machines:
#PrivateNetwork=yes

[Install]
WantedBy=multi-user.target
"""
_WEB_UNIT = """\
# The dashboard of jobrunner in {shown}, as a service of systemd, beside jobrunner.service.
# Install this as root, as the file /etc/systemd/system/jobrunner-web.service, and start it now and at each boot:
#   systemctl daemon-reload
#   systemctl enable --now jobrunner-web

[Unit]
Description=The dashboard of jobrunner in {home}
RequiresMountsFor={needed}

[Service]
ExecStart={program} --home {home} web
User={user}
SyslogIdentifier=jobrunner-web
Restart=on-failure
RestartSec=10s
SuccessExitStatus=130 143
# It only needs what it shows: a page that hangs is no reason to take the machine.
MemoryMax=512M
TasksMax=64
NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes

[Install]
WantedBy=multi-user.target
"""
