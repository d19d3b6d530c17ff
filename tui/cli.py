"""`sciml-tui`: how a command line becomes an exit code.

Exit codes: 0 done, 1 the work failed, 2 the request was wrong. An error is one message on stderr.
Without a verb the app is opened at once: the verbs and their parser (`tui.commands`) are imported only for a verb.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from engine.errors import ScimlError
from tui.opening import open_app
from tui.render import message
from tui.session import PROGRAM, Session

INTERRUPTED = 130
FLAGS = ("--readonly", "--ascii", "--debug")
"""Global options without a value."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; the exit code."""
    words = globals_first(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words[: words.index("--") if "--" in words else None]
    sys.stdout, sys.stderr = _opened(sys.stdout), _opened(sys.stderr)
    try:
        code = _carried_out(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, `head` for one, has seen enough; what is buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if debug:
            raise
        return _failed(error)


def _opened(stream: TextIO | None) -> TextIO:
    """Ready for any text. One that was closed before the program began takes it and keeps nothing."""
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    stream.reconfigure(errors="replace")  # type: ignore[attr-defined]
    return stream


def _carried_out(words: list[str]) -> int:
    session = without_verb(words)
    if session is not None:
        open_app(session)
        return 0
    from tui.commands import invoke

    return invoke(words)


def without_verb(words: Sequence[str]) -> Session | None:
    """What global options alone say; None where there is more, which is for the parser to read."""
    home: str | None = None
    given: dict[str, bool] = {}
    source = iter(words)
    for word in source:
        if word == "--home":
            home = next(source, None)
            if home is None:
                return None
        elif word.startswith("--home="):
            home = word.removeprefix("--home=")
        elif word in FLAGS:
            given[word.removeprefix("--")] = True
        else:
            return None
    return Session(home, **given)


def globals_first(words: Sequence[str]) -> list[str]:
    """The words with the global options in front: `ls --home DIR` means what `--home DIR ls` means."""
    front: list[str] = []
    rest: list[str] = []
    source = iter(words)
    for word in source:
        if word == "--":
            rest.append(word)
            break
        if word in FLAGS or word.startswith("--home="):
            front.append(word)
        elif word == "--home":
            front += [word, *((value,) if (value := next(source, None)) is not None else ())]
        else:
            rest.append(word)
    return [*front, *rest, *source]


def _failed(error: Exception) -> int:
    """One message on stderr; the exit code."""
    text, code = _explained(error)
    sys.stdout.flush()
    sys.stderr.write(f"{PROGRAM}: {message(text)}\n")
    return code


def _explained(error: Exception) -> tuple[str, int]:
    if isinstance(error, ScimlError):
        return str(error), error.exit_code
    if (format_message := getattr(error, "format_message", None)) is not None:  # a usage error of Typer's parser
        context = getattr(error, "ctx", None)
        path = context.command_path if context else PROGRAM
        return f"{format_message().rstrip('.')} ({path} --help shows what there is)", 2
    if isinstance(error, OSError):
        return f"{error.filename or 'system'}: {error.strerror or error}", 1
    return f"a fault of the program: {type(error).__name__}: {error} (--debug shows where)", 1


if __name__ == "__main__":
    sys.exit(main())
