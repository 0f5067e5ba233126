"""The document of how far a running job is."""

from typing import Any

from jobrunner.domain.progress import EXTRACTING, Progress


def progress_document(progress: Progress | None) -> dict[str, Any] | None:
    """Return how far something is; `unit` is "bytes", or None for what the handler counts."""
    if progress is None:
        return None
    done, total, text, is_bytes = progress
    unit = "bytes" if is_bytes else None
    return {"done": _number(done), "total": None if total is None else _number(total), "unit": unit, "text": text}


def extracted_document(progress: Progress | None) -> dict[str, Any] | None:
    """Return the bytes that are extracted, None where no zip is being extracted now."""
    if progress is None or not progress.is_bytes or progress.text != EXTRACTING:
        return None
    return {"bytes": _number(progress.done), "of": progress.total and _number(progress.total)}


def _number(value: float) -> float:
    return int(value) if value == int(value) else value
