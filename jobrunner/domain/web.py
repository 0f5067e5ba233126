"""Where the dashboard listens, who may look and who may press: as lines of a file, and how a secret is proved."""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from enum import StrEnum
from ipaddress import ip_address
from typing import NamedTuple

#: scrypt: some 60 ms and 16 MB for each look at a password.
_COST, _BLOCK, _LANES = 2**14, 8, 1


class Right(StrEnum):
    """What a user may do."""

    READER = "reader"  #: look at everything
    OPERATOR = "operator"  #: also retry, rerun, accept, cancel, pause and resume


class User(NamedTuple):
    """A person or a program that has proved who it is."""

    name: str
    right: Right

    @property
    def may_change(self) -> bool:
        """Whether this user may press what changes something."""
        return self.right is Right.OPERATOR


#: Whoever comes by the loopback or the socket where no file of users is set.
LOCAL = User("local", Right.OPERATOR)


class Entry(NamedTuple):
    """A line of the file: a user, and what proves it: `kind` is "scrypt" or "token"."""

    user: User
    kind: str
    salt: bytes
    digest: bytes

    def is_proved_by(self, secret: str) -> bool:
        """Say whether this is the user's password or token. It takes as long whatever it is."""
        found = _derived(secret, self.salt) if self.kind == "scrypt" else _hashed(secret)
        return hmac.compare_digest(found, self.digest)


#: What a password is compared with where no user has that name, so that it takes as long.
NOBODY = Entry(User("", Right.READER), "scrypt", bytes(16), bytes(32))


def entry_of(line: str) -> Entry:
    """Return what a line says: `NAME reader|operator SECRET`. Raises ValueError."""
    name, right, secret = line.split()
    kind, *parts = secret.split(":")
    user = User(name, Right(right))
    if kind == "token" and len(parts) == 1:
        return Entry(user, kind, b"", bytes.fromhex(parts[0]))
    if kind == "scrypt" and len(parts) == 2:
        return Entry(user, kind, b64decode(parts[0]), b64decode(parts[1]))
    raise ValueError(line)


def password_line(name: str, right: Right, password: str) -> str:
    """Return the line of a user with a password."""
    salt = secrets.token_bytes(16)
    return f"{name} {right} scrypt:{_text(salt)}:{_text(_derived(password, salt))}"


def token_line(name: str, right: Right) -> tuple[str, str]:
    """Return the line of a user with a token, and the token, which is nowhere else."""
    token = secrets.token_urlsafe(32)
    return f"{name} {right} token:{_hashed(token).hex()}", token


def address(value: object) -> str:
    """Return an address to listen on: an IP address and a port."""
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
        if int(port) <= 65_535:
            return f"{host}:{int(port)}"
    except ValueError:
        pass
    raise ValueError("an IP address and a port, such as 127.0.0.1:8321 or [::1]:8321")


def _derived(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, n=_COST, r=_BLOCK, p=_LANES, dklen=32)


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
