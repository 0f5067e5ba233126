"""What `explain` says of what lies in the inbox: a sentence, why it is so, and what to do."""

import os
from collections.abc import Iterator

from jobrunner.domain.explanation import Comparison, InInbox, Kind
from jobrunner.domain.lack import Lack
from jobrunner.domain.package import shown
from jobrunner.words import answer_of_job
from jobrunner.words.answer_of_job import START, since, who_works
from jobrunner.words.pasted import name_word, path_word
from jobrunner.words.phrases import counted


def headline(found: InInbox) -> str:
    """Return what is with a delivery."""
    name, lacking = shown(found.name), found.delivery.lacking
    match found.kind:
        case Kind.UNSCANNED:
            return f"{name} is complete in the inbox, and has not been scanned yet."
        case Kind.DUPLICATE:
            return f"{name} lies in the inbox once more, and is held there: a name is processed once."
        case Kind.COPIED:
            return (
                f"{name} is a sender's folder that was copied: jobrunner removes it when the copy has been processed."
            )
        case Kind.HIDDEN:
            return f"{name} is no delivery: what begins with a dot is left alone."
        case Kind.JUNK:
            return f"{name} is no delivery: systems leave this name everywhere."
        case Kind.IGNORED:
            return f"{name} is no delivery: intake.ignore in jobrunner.toml has a pattern of it."
        case Lack.RECEIVING | Lack.SETTLING:
            return f"{name} is {lacking}."
        case Lack.NO_FOLDER if _stem(found):
            return f"{name} lies in the inbox outside of a folder."
        case Lack.NO_FOLDER:
            return f"{name} in the inbox is {lacking}."
        case Lack.REFUSED:
            return f"{name} was refused, and lies in the inbox as it did then."
    return f"{name} waits in the inbox: {lacking}."


def why(found: InInbox) -> Iterator[str]:
    """Yield why that is so, and what belongs to it."""
    match found.kind:
        case Lack.RECEIVING:
            yield "Such a name says that its sender has not finished (intake.incomplete_suffix)."
        case Lack.SETTLING:
            yield "It is taken when nothing of it has changed for that long (intake.settle)."
        case Lack.UNFINISHED_ZIP:
            yield "It is taken then, and fails if its zip was cut short (intake.broken_after)."
        case Lack.NO_MARKER:
            yield "It is taken when its sender has written that file (intake.marker)."
        case Lack.NO_FOLDER if _stem(found):
            yield "A package is a folder NAME with NAME.zip in it."
    if found.changed_at:
        yield f"It changed last {since(found.changed_at)}."
    if found.kind is Kind.UNSCANNED:
        yield from who_works(found.at_work)
    if found.comparison:
        yield from _compared(found.comparison)
    if found.known and found.kind in {Kind.DUPLICATE, Lack.REFUSED}:
        yield answer_of_job.headline(found.known)
        yield from answer_of_job.why(found.known) if found.known.kind in {Kind.DONE, Kind.FAILED, Kind.RUNNING} else ()
    elif found.known and found.known.kind in {Kind.FAILED, Kind.CANCELLED}:
        yield f"It is to replace an earlier one: {answer_of_job.headline(found.known)}"
    elif found.known:
        yield f"It is going to be held, because its name is known: {answer_of_job.headline(found.known)}"


def to_do(found: InInbox) -> Iterator[tuple[str, str]]:
    """Yield what can be done: words and, unless it is empty, a command."""
    inbox, name, path, word = os.path.dirname(found.path), found.name, path_word(found.path), name_word(found.name)

    def there(*parts: str) -> str:
        return path_word(os.path.join(inbox, *parts))

    match found.kind:
        case Kind.UNSCANNED if not found.at_work.workers:
            yield START
        case Kind.UNSCANNED:
            yield "jobrunner run takes it up by itself; where only jobrunner work runs:", "jobrunner scan"
        case Kind.DUPLICATE:
            yield from _accept(found, word)
            other = f"{name}-2"
            zips = f"{there(name, f'{name}.zip')} {there(name, f'{other}.zip')}"
            yield "if it is another package, give it a name of its own:", f"mv {zips} && mv -T {path} {there(other)}"
        case Kind.COPIED:
            yield "if it stays:", "jobrunner check"
        case Kind.HIDDEN:
            yield "to deliver it:", f"mv -T {path} {there(name.lstrip('.') or 'NAME')}"
        case Lack.RECEIVING if found.becomes and found.becomes != name:
            yield "if all of it is there:", f"mv -T {path} {there(found.becomes)}"
        case Lack.NO_ZIP if found.beside:
            yield "its zip lies outside of it:", f"mv {there(found.beside)} {path}/"
        case Lack.NO_ZIP:
            yield f"deliver {shown(name)}.zip into it", ""
        case Lack.OTHER_ZIP if len(found.delivery.found) == 1:
            zip_path = there(name, found.delivery.found[0])
            yield "if that is its zip:", f"mv -T {zip_path} {there(name, f'{name}.zip')}"
        case Lack.OTHER_ZIP | Lack.SEVERAL_ZIPS:
            yield f"leave one of them in it, as {shown(name)}.zip", ""
        case Lack.NO_FOLDER if stem := _stem(found):
            yield "to deliver it:", f"mkdir -p {there(stem)} && mv {path} {there(stem)}/"
        case Lack.REFUSED:
            yield "change it; or raise the limit in jobrunner.toml, and:", f"jobrunner retry {word}"


def _accept(found: InInbox, word: str) -> Iterator[tuple[str, str]]:
    if found.known and found.known.kind is Kind.DONE:
        if not found.comparison:
            yield "to compare its files with those in the archive:", f"jobrunner explain --compare {word}"
        yield "to process it as another revision:", f"jobrunner accept {word}"


def _compared(comparison: Comparison) -> Iterator[str]:
    """Yield how the files of a duplicate compare with what its sender had delivered before."""
    same, different, only_second, only_first, is_all = comparison
    if same:
        yield f"{counted(same, 'file')} {'is' if same == 1 else 'are'} the same in the archive."
    for words, paths in (
        ("Not the same in the archive", different),
        ("Not in the archive", only_second),
        ("Only in the archive", only_first),
    ):
        if paths:
            yield f"{words}: {', '.join(map(shown, paths))}."
    if not is_all:
        yield "There are more of these."


def _stem(found: InInbox) -> str:
    """Return which package a file is the zip of, by its name; empty where it is called otherwise."""
    return found.name[:-4] if found.name.lower().endswith(".zip") else ""
