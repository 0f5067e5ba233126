"""Posts a notice to a webhook. In a process of its own, which may be killed: names are looked up without a deadline."""

import hashlib
import hmac
import http.client
import ssl
import time
import urllib.error
import urllib.request

from jobrunner.domain.package import printable

#: Seconds that the other side may be silent for.
_SILENCE = 30.0
#: Of an answer, so many bytes are read, and so many characters of its first line are told.
_MOST_READ = 2000
_MOST_TOLD = 150


class Refused(Exception):  # noqa: N818  (what happened, not an error)
    """The notice was not taken; the text says why, and never has the URL, which may be a secret."""


def post(url: str, secret: bytes | None, document: bytes) -> None:
    """Post a notice, signed if there is a secret. Raises Refused.

    Certificates are verified; a redirect is not followed: it could lead to where the operator never meant to send
    anything. Proxies are those of the environment.
    """
    headers = {"Content-Type": "application/json", "User-Agent": "jobrunner"}
    if secret is not None:
        headers |= signature(secret, document, int(time.time()))
    request = urllib.request.Request(url, document, headers, method="POST")
    try:
        with _opener().open(request, timeout=_SILENCE) as answer:
            answer.read(_MOST_READ)
    except urllib.error.HTTPError as error:
        raise Refused(_answered(error)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(f"it cannot be reached: {_words(error)}") from error


def signature(secret: bytes, document: bytes, now: int) -> dict[str, str]:
    """Return the headers that prove who has sent a document, and when: an old one, sent again, shows its age."""
    signed = hmac.new(secret, b"%d.%b" % (now, document), hashlib.sha256)
    return {"X-Jobrunner-Timestamp": str(now), "X-Jobrunner-Signature": f"sha256={signed.hexdigest()}"}


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _answered(error: urllib.error.HTTPError) -> str:
    """Return a status that is none of success, with the first line of what was said to it."""
    said = ""
    try:
        lines = error.read(_MOST_READ).decode("utf-8", "replace").strip().splitlines()
        said = printable(lines[0][:_MOST_TOLD]) if lines else ""
    except (OSError, http.client.HTTPException):
        pass
    redirect = ", a redirect, which is not followed" if 300 <= error.code < 400 else ""
    return f"HTTP {error.code} {printable(error.reason[:_MOST_TOLD])}{redirect}" + (f": {said}" if said else "")


def _words(error: BaseException) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return "it does not answer"
    if isinstance(reason, OSError) and reason.strerror:
        return printable(reason.strerror)[:_MOST_TOLD]
    return printable(f"{type(reason).__name__}: {reason}".removesuffix(": "))[:_MOST_TOLD]
