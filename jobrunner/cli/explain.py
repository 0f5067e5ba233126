"""`jobrunner explain`: where a package is, and why it is not further."""

from typing import Annotated

import typer

from jobrunner.cli.output import say, styled, wrapped
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.errors import JobrunnerError, in_words
from jobrunner.domain.exits import FAILED
from jobrunner.domain.explanation import Kind

EXAMPLES = ("jobrunner explain scan-0017", "jobrunner explain inbox/scan-0017-downloading")


def command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A package, known or not, by its name or a path to it.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare all files of a duplicate with those in the archive.")
    ] = False,
) -> None:
    """Say where a package is, why it is not further, and what to do.

    It ends with 1 where nothing of that name is known.
    """
    from jobrunner.wiring.explaining import explaining
    from jobrunner.wiring.home import load_settings, open_home

    with open_home(load_settings(context.obj), emit_of_command(), to_read=True) as home:
        try:
            explanation = explaining(home).explain(name, with_comparison=compare)
        except OSError as error:
            raise JobrunnerError(f"the files of {name} cannot be compared: {in_words(error)}") from error
    if as_json:
        from jobrunner.cli.json_output import print_json
        from jobrunner.documents.explanation import explanation_document

        print_json(explanation_document(explanation))
    else:
        from jobrunner.words.answers import answer_of

        answer = answer_of(explanation)
        for line in wrapped(answer.headline, 0):
            say(styled(line, bold=True))
        for why in answer.why:
            for line in wrapped(why, 2):
                say("  ", line)
        for words, pasted in answer.to_do:
            for number, line in enumerate(wrapped(words, 4)):
                say(styled("    " if number else "  → ", dim=True), styled(line, dim=True))
            if pasted:
                say("    ", pasted)
    if explanation.kind is Kind.UNKNOWN:
        raise typer.Exit(FAILED)
