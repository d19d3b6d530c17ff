"""`doctor`: whether everything that runs need is there, and how to mend what is not."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec
import typer

from engine.errors import ScimlError
from engine.paths import Home
from tui import palette
from tui.render import Styled, definitions, emit, is_terminal, paint, plain_locale, say
from tui.session import Session
from tui.text import listed, shown, size
from tui.verbs.options import Json

PYTHONS = ((3, 11), (3, 13))
PROBE = "import torch; torch.ones(1, device='cuda').add_(1).item()"
ROOM = 1e9
"""Bytes free below which a warning is due; a pretraining run with its data takes about as much."""

_LOGIND = ("/usr/lib/systemd", "/run/systemd", "/etc/systemd")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. `mend` says what to do where it is not well."""

    what: str
    state: Literal["good", "warning", "bad"]
    found: str
    mend: str = ""


def doctor(ctx: typer.Context, json: Json = False) -> None:
    """Check this installation. Each line says how to mend what is wrong; the exit code is 1 then."""
    findings = list(examine(ctx.obj))
    if json:
        emit(findings)
    else:
        for line in definitions((finding.what, _told(finding)) for finding in findings):
            say(line)
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(1)


def examine(session: Session) -> Iterator[Finding]:
    """Every check in turn; one that fails in an unforeseen way is a finding itself."""
    checks: list[Callable[[Session], Iterator[Finding]]] = [
        _python, _torch, _gpus, _home, _config, _locks, _records, _shelves, _tasks, _scheduler, _logout, _terminal
    ]  # fmt: skip
    for check in checks:
        try:
            yield from check(session)
        except (ScimlError, OSError) as error:
            yield Finding(what=check.__name__.strip("_"), state="bad", found=str(error))


def _told(finding: Finding) -> str:
    glyph, colour = {
        "good": palette.status("done"),
        "warning": (palette.glyph("warning"), palette.ORANGE),
        "bad": palette.status("failed"),
    }[finding.state]
    mend = f"; {finding.mend}" if finding.mend else ""
    return f"{paint(Styled(glyph, colour))} {shown(finding.found)}{shown(mend)}"


def _python(_: Session) -> Iterator[Finding]:
    here = sys.version_info[:2]
    good = PYTHONS[0] <= here <= PYTHONS[1]
    yield Finding(
        what="python",
        state="good" if good else "bad",
        found=f"{sys.version.split()[0]} ({sys.executable})",
        mend="" if good else "make the environment anew with Python 3.11 to 3.13",
    )


def _torch(_: Session) -> Iterator[Finding]:
    from importlib import metadata

    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        yield Finding(what="torch", state="bad", found="not installed", mend="pip install torch (the README says how)")
        return
    yield Finding(what="torch", state="good", found=version)


def _gpus(session: Session) -> Iterator[Finding]:
    from engine.gpus import inventory

    gpus = inventory()
    if not gpus:
        yield Finding(what="gpus", state="good", found=f"none: runs use the {os.cpu_count()} CPUs")
    for gpu in gpus:
        yield Finding(what="gpu", state="good", found=f"{gpu.index} {gpu.name}")
    if gpus and (fault := _fault_of_torch()):
        mend = "install a torch with CUDA for this driver (pytorch.org names it), or runs stay on the CPU"
        yield Finding(what="torch", state="bad", found=f"cannot use the GPU: {fault}", mend=mend)


def _fault_of_torch() -> str:
    """Why torch cannot compute on a GPU, tried out in a process of its own; empty where it can."""
    import subprocess

    code = [sys.executable, "-P", "-c", PROBE]
    try:
        done = subprocess.run(code, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return "it does not answer"
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return "" if done.returncode == 0 else next((line for line in said if "Error: " in line), "it fails")


def _home(session: Session) -> Iterator[Finding]:
    home = Home(session.home)
    if not session.readonly:
        home.create()
    folder = home.folder
    if not folder.is_dir():
        yield Finding(what="home", state="bad", found=f"{folder} is not there", mend="name another with --home DIR")
        return
    needed = os.R_OK | os.X_OK | (0 if session.readonly else os.W_OK)
    if not os.access(folder, needed):
        mend = "name another with --home DIR, or look only with --readonly"
        yield Finding(what="home", state="bad", found=f"{folder} cannot be written", mend=mend)
        return
    yield Finding(what="home", state="good", found=str(folder))
    if folder.stat().st_mode & 0o077:
        mend = f"chmod 700 {folder}, unless that is meant"
        yield Finding(what="home", state="warning", found="others on this machine can look into it", mend=mend)
    free = shutil.disk_usage(folder).free
    short = free < ROOM
    yield Finding(
        what="space",
        state="warning" if short else "good",
        found=f"{size(free)} free",
        mend="free some, or name another home: a run that finds the disk full stops" if short else "",
    )


def _config(session: Session) -> Iterator[Finding]:
    from engine.config import load

    home = Home(session.home)
    if home.config.exists():
        load(home)
        yield Finding(what="config", state="good", found=str(home.config))


def _records(session: Session) -> Iterator[Finding]:
    """Run folders that the catalogue knows nothing of: a line of it was damaged, or a removal was cut short."""
    home = Home(session.home)
    if not home.catalog.exists():
        return
    known = {run.id for run in session.client.catalog.runs()}
    strays = sorted(folder.name for folder in home.runs.iterdir() if folder.is_dir() and folder.name not in known)
    if strays:
        found = f"{len(known)} runs, and folders of runs that have no record: {listed(strays)}"
        mend = f"look at spec.json and metrics.jsonl in {home.runs}, submit them again or delete the folders"
        yield Finding(what="records", state="warning", found=found, mend=mend)
    else:
        yield Finding(what="records", state="good", found=f"{len(known)} runs, each with its record")


def _shelves(session: Session) -> Iterator[Finding]:
    """Datasets and models without their file, and files that none of them names: something was cut short."""
    from engine.discard import place
    from engine.staging import leftovers

    home = Home(session.home)
    if not home.catalog.exists():
        return
    shelves = [("data", home.datasets, session.client.datasets()), ("models", home.models, session.client.models())]
    for verb, folder, items in shelves:
        places = {item.name: place(home, item) for item in items}
        there = sorted(folder.iterdir()) if folder.is_dir() else []
        lost = [name for name, path in places.items() if path is None or not path.is_file()]
        strays = [path for path in there if path not in places.values() and not path.name.startswith(".")]
        if lost:
            mend = f"make them again, or {session.command(f'{verb} rm {shlex.quote(lost[0])}')}"
            yield Finding(what=verb, state="warning", found=f"without their files: {listed(lost)}", mend=mend)
        if strays:
            found = f"files in {folder} that have no record: {listed([path.name for path in strays])}"
            taken = f"{session.command(f'data import {shlex.quote(str(strays[0]))}')}, or " if verb == "data" else ""
            yield Finding(what=verb, state="warning", found=found, mend=f"{taken}delete them")
        if cut_short := leftovers(folder):
            used = size(sum(file.stat().st_size for left in cut_short for file in left.iterdir()))
            found = f"{used} of copies that were cut short: {listed([str(left) for left in cut_short])}"
            yield Finding(what=verb, state="warning", found=found, mend="delete them, or leave that to the next copy")
        if not (lost or strays or cut_short):
            yield Finding(what=verb, state="good", found=f"{len(items)}, each with its file" if items else "none yet")


def _locks(session: Session) -> Iterator[Finding]:
    """Tried out for real: on some network file systems a lock is granted to everybody."""
    from engine.locks import acquire, held

    home = Home(session.home)
    if session.readonly or not home.folder.is_dir():
        return
    path = home.folder / f".doctor-{os.getpid()}.lock"
    mend = "keep the home on a local disk: --home DIR"
    try:
        ours = acquire(path)
        works = ours is not None and acquire(path) is None and held(path)
        if ours is not None:
            ours.release()
        works = works and not held(path)
    finally:
        path.unlink(missing_ok=True)
    if works:
        yield Finding(what="locks", state="good", found="work on the home's file system")
    else:
        yield Finding(what="locks", state="bad", found="two processes can hold the same lock", mend=mend)


def _tasks(session: Session) -> Iterator[Finding]:
    catalogue = session.client.describe()
    yield Finding(
        what="tasks",
        state="good" if catalogue.tasks else "bad",
        found=", ".join(catalogue.tasks) or "none",
        mend="" if catalogue.tasks else "install the package anew: pip install -e .",
    )
    for broken in catalogue.broken:
        what = "plugin" if "/" in broken.file else "task"
        mend = f"mend or remove {broken.file}"
        yield Finding(what=what, state="bad", found=f"{broken.key}: {broken.error}", mend=mend)


def _scheduler(session: Session) -> Iterator[Finding]:
    from engine import scheduler
    from engine.records import WAITING

    found = scheduler.status(session.client.home)
    waiting = len(session.client.catalog.by_status(WAITING))
    if found["alive"]:
        yield Finding(what="scheduler", state="good", found=f"runs as process {found['pid']}")
    elif waiting:
        mend = "sciml-tui scheduler start (its log is in the home's logs/)"
        yield Finding(what="scheduler", state="bad", found=f"none, and {waiting} runs wait for it", mend=mend)
    else:
        yield Finding(what="scheduler", state="good", found="none; it starts with the next run")


def _logout(_: Session) -> Iterator[Finding]:
    """systemd-logind may be told to kill what a login leaves behind, sessions of their own included."""
    if not Path("/run/systemd/system").is_dir():
        yield Finding(what="logout", state="good", found="runs outlive it (no systemd-logind)")
    elif kills_user_processes():
        mend = "start it outside: systemd-run --user --scope sciml-tui scheduler start (once: loginctl enable-linger)"
        yield Finding(what="logout", state="warning", found="KillUserProcesses=yes ends runs", mend=mend)
    else:
        yield Finding(what="logout", state="good", found="runs outlive it")


def kills_user_processes(roots: tuple[str, ...] = _LOGIND) -> bool:
    """What logind.conf and its drop-ins say of KillUserProcesses; the last one counts, none means no."""
    import configparser

    files = [Path(root, "logind.conf") for root in roots]
    files += sorted((f for root in roots for f in Path(root, "logind.conf.d").glob("*.conf")), key=lambda f: f.name)
    verdict = False
    for file in files:
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        try:
            parser.read(file)
            verdict = parser.getboolean("Login", "KillUserProcesses", fallback=verdict)
        except (configparser.Error, ValueError):  # logind, too, passes over what it cannot read
            continue
    return verdict


def _terminal(_: Session) -> Iterator[Finding]:
    encoding = (sys.stdout.encoding or "ascii").lower()
    if not is_terminal():
        yield Finding(what="terminal", state="good", found=f"none: output goes to a pipe or a file, in {encoding}")
        return
    columns, rows = shutil.get_terminal_size()
    depth = "true colour" if os.environ.get("COLORTERM") in ("truecolor", "24bit") else "256 colours or fewer"
    colours = "no colour (NO_COLOR)" if os.environ.get("NO_COLOR") else depth
    term = os.environ.get("TERM", "")
    found = f"{term or 'TERM is not set'}, {columns} x {rows}, {colours}, {encoding}"
    if plain_locale() or not encoding.startswith("utf"):
        found += ", the locale is C" * plain_locale()
        mend = "set LC_ALL or LANG to a UTF-8 locale (C.UTF-8); until then everything is drawn as with --ascii"
        yield Finding(what="terminal", state="warning", found=found, mend=mend)
    elif term in ("", "dumb") or columns < 80 or rows < 24:
        yield Finding(what="terminal", state="warning", found=found, mend="the app wants 80 x 24 and a TERM")
    else:
        yield Finding(what="terminal", state="good", found=found)
