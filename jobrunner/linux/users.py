"""Users and groups, by their numbers and names."""

import grp
import os
import pwd
from contextlib import suppress
from functools import cache


def user_name(number: int) -> str:
    """Return a user's name, or "user N" where the number has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def user_argument(number: int) -> str:
    """Return a user's name, or its number as text where it has none: other programs take either."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def group_name(number: int) -> str:
    """Return a group's name, or its number as text where it has none: `group_number` takes either."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def group_number(name: str) -> int | None:
    """Return the number of a group that is given by name or number; None where there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return int(name) if name.isascii() and name.isdigit() else None


def may_give_to(group: int) -> bool:
    """Say whether our user may give files of its own to a group (chown(2))."""
    return os.geteuid() == 0 or group in {os.getegid(), *os.getgroups()}


@cache
def is_private(group: int) -> bool:
    """Say whether a group is our user's own: its primary one, which no other user is in but root."""
    try:
        us = pwd.getpwuid(os.geteuid())
    except KeyError:
        primary, names = os.getegid(), {"root"}
    else:
        primary, names = us.pw_gid, {"root", us.pw_name}
    if group != primary:
        return False
    members = {user.pw_name for user in pwd.getpwall() if user.pw_gid == group}
    with suppress(KeyError):
        members.update(grp.getgrgid(group).gr_mem)
    return members <= names


def become(user: int, group: int) -> None:
    """Give up root's rights for good and go on as a user with all its groups; `group` is for one without an account.

    Its home folder takes the place of root's in the environment. Raises OSError.
    """
    try:
        account = pwd.getpwuid(user)
    except KeyError:
        os.setgroups([])
    else:
        group = account.pw_gid
        os.initgroups(account.pw_name, group)
        os.environ |= {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
