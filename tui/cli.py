"""`sciml-tui`: the verbs in one table, the global options, and how an end becomes an exit code.

Exit codes: 0 done, 1 the work failed, 2 the request was wrong. An error is one message on stderr.
Neither torch nor the app is imported here: a verb imports what it needs when it runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from engine.errors import RequestError, ScimlError
from tui.render import is_terminal, message, say
from tui.session import Session
from tui.verbs import control, data, doctor, export, inspect, listing, run, streams, suites, system, watching

PROGRAM = "sciml-tui"
INTERRUPTED = 130

app = typer.Typer(name=PROGRAM, rich_markup_mode=None, add_completion=False)


def _subcommands(name: str, help: str) -> typer.Typer:
    group = typer.Typer(rich_markup_mode=None, help=help)
    app.add_typer(group, name=name)
    return group


app.command("demo")(suites.demo)
app.command("run")(run.run)
app.command("ls")(listing.ls)
app.command("show")(inspect.show)
app.command("logs")(streams.logs)
app.command("metrics")(streams.metrics)
app.command("watch")(watching.watch)
app.command("diff")(inspect.diff)
app.command("stop")(control.stop)
app.command("kill")(control.kill)
app.command("resume")(control.resume)
app.command("retry")(control.retry)
app.command("rm")(control.rm)
app.command("archive")(control.archive)
app.command("tag")(control.tag)
app.command("note")(control.note)
app.command("export")(export.export)

_data = _subcommands("data", "Datasets: list, look at, make.")
_data.command("ls")(data.ls_datasets)
_data.command("show")(data.show_dataset)
_data.command("make")(data.make)

_models = _subcommands("models", "Trained models: list, look at.")
_models.command("ls")(data.ls_models)
_models.command("show")(data.show_model)

_suite = _subcommands("suite", "Figures and tables of the papers: list, run, report.")
_suite.command("ls")(suites.ls)
_suite.command("run")(suites.run)
_suite.command("report")(suites.report)

app.command("gpus")(system.gpus)
app.command("doctor")(doctor.doctor)

_scheduler = _subcommands("scheduler", "The process that starts runs.")
_scheduler.command("status")(system.status)
_scheduler.command("start")(system.start)
_scheduler.command("stop")(system.stop)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        say(f"{PROGRAM} {version('sciml-tui')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def main_options(
    ctx: typer.Context,
    home: Annotated[
        str | None, typer.Option("--home", metavar="DIR", help="Where everything is kept (also: SCIML_TUI_HOME).")
    ] = None,
    readonly: Annotated[bool, typer.Option("--readonly", help="Look only: nothing is written or started.")] = False,
    ascii: Annotated[bool, typer.Option("--ascii", help="Plain ASCII instead of symbols and Greek letters.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """The terminal experiment manager for scientific machine learning. Without a command it opens the app."""
    ctx.obj = Session(home, readonly=readonly, ascii=ascii, debug=debug)
    if ctx.invoked_subcommand is None:
        open_app(ctx.obj)


def open_app(session: Session) -> None:
    """Raises RequestError where there is no terminal to open it on."""
    if not (is_terminal() and sys.stdin.isatty()):
        raise RequestError(f"app: required a terminal, got a pipe or a file; {PROGRAM} --help lists the commands")
    from tui.app import run as run_app

    run_app(session.home, readonly=session.readonly, ascii=session.ascii)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; the exit code."""
    words = globals_first(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words[: words.index("--") if "--" in words else None]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = invoke(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, `head` for one, has seen enough; what is buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        if debug:
            raise
        return _failed(error)


def invoke(words: list[str]) -> int:
    """The command's exit code. Not Typer's own entry, which has its own idea of errors and of broken pipes."""
    command = typer.main.get_command(app)
    try:
        with command.make_context(PROGRAM, words) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return 0


def globals_first(words: Sequence[str]) -> list[str]:
    """The words with the global options in front: `ls --home DIR` means what `--home DIR ls` means."""
    front: list[str] = []
    rest: list[str] = []
    source = iter(words)
    for word in source:
        if word == "--":
            rest.append(word)
            break
        if word in ("--readonly", "--ascii", "--debug") or word.startswith("--home="):
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
