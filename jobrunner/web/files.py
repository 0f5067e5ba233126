"""A file of a package, to be looked at or taken home; never as something that runs."""

import asyncio
import os
from collections.abc import AsyncIterator
from io import FileIO

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from jobrunner.domain.errors import NotKnown
from jobrunner.web.site import Site
from jobrunner.wiring.dashboard import open_file

_PIECE = 2**16
#: What is shown in the browser, and as what; all else is a download.
_SHOWN = {
    **dict.fromkeys((".txt", ".log", ".csv", ".json", ".xml", ".md", ".toml", ".yaml", ".ini"), "text/plain"),
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}


async def file(site: Site, request: Request) -> Response:
    """Return a file of a package where `[web] files` allows that."""
    if not site.settings.web.files:
        raise HTTPException(404)
    name, path = request.path_params["name"], request.path_params["path"]
    try:
        opened = await site.reader.ask(lambda home: open_file(home, name, path))
    except (OSError, NotKnown):
        raise HTTPException(404) from None
    kind = _SHOWN.get(os.path.splitext(path)[1].lower())
    headers = {
        "content-security-policy": "sandbox; default-src 'none'",
        "content-length": str(opened.size),
        "content-disposition": "inline" if kind else "attachment",
    }
    media = f"{kind}; charset=utf-8" if kind == "text/plain" else kind or "application/octet-stream"
    pieces = _pieces(FileIO(opened.descriptor), opened.size)
    return StreamingResponse(pieces, headers=headers, media_type=media)


async def _pieces(opened: FileIO, size: int) -> AsyncIterator[bytes]:
    """Yield a file in pieces, and close it; where not one piece is asked for, it is closed as nothing refers to it."""
    with opened:
        while size > 0 and (piece := await asyncio.to_thread(opened.read, min(_PIECE, size))):
            size -= len(piece)
            yield piece
