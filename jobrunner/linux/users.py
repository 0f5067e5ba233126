"""Users and groups of this machine."""

import os
from functools import cache


@cache
def is_own_group(group: int) -> bool:
    """Say whether a group (its number) is our user's own: its primary one, in which there is no other user."""
    import grp  # noqa: PLC0415  (hardly anybody needs them)
    import pwd  # noqa: PLC0415

    try:
        ours = pwd.getpwuid(os.geteuid())
        members = set(grp.getgrgid(group).gr_mem)
    except KeyError:
        return False
    members |= {user.pw_name for user in pwd.getpwall() if user.pw_gid == group}
    return ours.pw_gid == group and members == {ours.pw_name}


def name_of(user: int) -> str:
    """Return the name of a user (its number)."""
    import pwd  # noqa: PLC0415

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
