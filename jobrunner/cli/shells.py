"""What shells are given to complete our command lines, and how bash quotes."""

import re
from collections.abc import Iterator, Sequence

#: Each asks `jobrunner completion SHELL --answer`, whose first line says what may come besides the words after it.
#: Names come from senders: no script evaluates them. zsh and fish quote by themselves what they put into a line.
SCRIPTS = {
    "bash": r"""# for ~/.bashrc: source <(jobrunner completion bash)
_jobrunner() {
    local -a answer=()
    local program=${1/#\~\//$HOME/}
    mapfile -t answer < <("$program" completion bash --answer -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    case ${answer[0]-} in
        files) compopt -o default ;;
        folders) compopt -o dirnames ;;
    esac
    COMPREPLY=("${answer[@]:1}")
}
complete -F _jobrunner jobrunner
""",
    "zsh": r"""#compdef jobrunner
# for ~/.zshrc, behind compinit: source <(jobrunner completion zsh)
_jobrunner() {
    local -a answer
    local program=${${(Q)words[1]}/#\~\//$HOME/}
    answer=("${(@f)$("$program" completion zsh --answer -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" \
        2>/dev/null)}")
    local kind=$answer[1]
    shift answer
    (( $#answer )) && compadd -- "${answer[@]}"
    [[ $PREFIX == --*=* ]] && compset -P '*='
    case $kind in
        files) _files ;;
        folders) _files -/ ;;
    esac
}
if [[ $funcstack[1] == _jobrunner ]]; then _jobrunner; else compdef _jobrunner jobrunner; fi
""",
    "fish": r"""# for ~/.config/fish/completions/jobrunner.fish
function __jobrunner_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l word (string unescape -- $current; or string trim --left --chars="'\"" -- $current)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l answer ($program completion fish --answer -- $words[2..] "$word" 2>/dev/null)
    test (count $answer) -gt 1; and printf '%s\n' $answer[2..]
    switch "$answer[1]"
        case files
            __fish_complete_path $current
        case folders
            __fish_complete_directories $current
    end
end
complete --command jobrunner --no-files --arguments '(__jobrunner_complete)'
""",
}
#: Characters that mean themselves to bash: what is not ASCII has been seen to be printable.
_PLAIN = re.compile(r"[\w@%+=:,./^\x80-\U0010ffff-]")
#: What does not mean itself within quotes.
_SPECIAL = {'"': set('"$`\\!'), "'": {"'"}}


def split(line: str) -> tuple[list[str], str]:
    """Return the words of what bash has been given so far, without their quotes, and the quote that is still open.

    The last word is the one that is being typed; it is empty behind a space.
    """
    words: list[str] = []
    word, quote = None, ""
    rest = iter(line)
    for char in rest:
        if char == "\\" and quote != "'":
            word = (word or "") + next(rest, "")
        elif char == quote:
            quote = ""
        elif not quote and char in _SPECIAL:
            word, quote = word or "", char
        elif not quote and char.isspace():
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + char
    return [*words, word or ""], quote


def for_bash(found: Sequence[str], current: str, replaced: str, quote: str) -> Iterator[str]:
    """Yield words as bash puts them into the line, quoted, instead of `replaced`, which is the end of `current`.

    It divides a word at a colon, for one. What an open quote cannot hold is left out.
    """
    kept = current.removesuffix(split(replaced)[0][-1])
    for word in found:
        end = word[len(kept) :]
        if not word.startswith(kept) or (quote and _SPECIAL[quote].intersection(end)):
            continue
        yield end if quote else "".join(char if _PLAIN.match(char) else f"\\{char}" for char in end)
