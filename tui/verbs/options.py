"""Options and arguments that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print records as JSON (NaN is null).")]
Filter = Annotated[
    str,
    typer.Option(
        "--filter",
        "-F",
        metavar="EXPR",
        help="Such as 'system=reaction rel_l2<0.1 tags=paper': terms that all hold; "
        "= != < <= > >=, ~ and !~ for contains, a,b for one of several.",
    ),
]
OneRun = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or its unmistakable beginning.")]
Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or their unmistakable beginnings.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask (it is asked on a terminal only).")]
Columns = Annotated[
    str, typer.Option("--columns", metavar="KEYS", help="Columns, separated by commas: id,status,rho,rel_l2.")
]


def split(keys: str) -> list[str]:
    """`a,b` -> ["a", "b"]."""
    return [key.strip() for key in keys.split(",") if key.strip()]
