"""What is said to a program that gets no answer: one line, which below /api is a document as its answers are."""

from starlette.responses import PlainTextResponse, Response

from jobrunner.documents.as_text import as_text

#: What programs ask for: they get a status and a line, and no page.
FOR_PROGRAMS = ("/api/", "/metrics", "/healthz", "/live/")


def document(value: object, status: int = 200) -> Response:
    """Return a document as JSON."""
    return Response(as_text(value, "utf-8", indent=2) + "\n", status, media_type="application/json")


def refusal(path: str, status: int, words: str) -> Response:
    """Return why an address is not answered."""
    return document({"error": words}, status) if path.startswith("/api/") else PlainTextResponse(f"{words}\n", status)
