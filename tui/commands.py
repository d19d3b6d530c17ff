"""The verbs in one table, and the global options.

Neither torch nor the app is imported here: a verb imports what it needs when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tui.opening import open_app
from tui.render import say
from tui.session import PROGRAM, Session
from tui.verbs import control, data, doctor, export, inspect, listing, models, run, streams, suites, system, watching

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

_data = _subcommands("data", "Datasets: list, look at, make, verify, remove.")
_data.command("ls")(data.ls_datasets)
_data.command("show")(data.show_dataset)
_data.command("make")(data.make)
_data.command("verify")(data.verify)
_data.command("import")(data.import_dataset)
_data.command("rm")(data.rm_datasets)

_models = _subcommands("models", "Trained models: list, look at, export, remove.")
_models.command("ls")(data.ls_models)
_models.command("show")(data.show_model)
_models.command("export")(models.export)
_models.command("rm")(data.rm_models)

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
    ascii: Annotated[
        bool, typer.Option("--ascii", help="Plain ASCII, as also under LC_ALL=C: no symbols, no Greek.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """The terminal experiment manager for scientific machine learning. Without a command it opens the app."""
    ctx.obj = Session(home, readonly=readonly, ascii=ascii, debug=debug)
    if ctx.invoked_subcommand is None:
        open_app(ctx.obj)


def invoke(words: list[str]) -> int:
    """The command's exit code. Not Typer's own entry, which has its own idea of errors and of broken pipes."""
    command = typer.main.get_command(app)
    try:
        with command.make_context(PROGRAM, words) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    return 0
