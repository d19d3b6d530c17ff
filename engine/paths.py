"""The one owner of every file name under the home directory."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import platformdirs

from engine.errors import StoreError


class RunPaths:
    """Files of one run. Evidence (`started`, `result`, `exit`) is kept per attempt; all else belongs to the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = folder / "spec.json"
        self.lock = folder / "lock"
        """Held, through an open-file-description lock, as long as a shim supervises the run."""
        self.stream = folder / "metrics.jsonl"
        self.log = folder / "out.log"
        self.checkpoints = folder / "checkpoints"
        self.fields = folder / "fields"
        self.files = folder / "files"
        """What the task itself writes (`Reporter.folder`)."""
        self.diff = folder / "code.diff"
        self.attempts = folder / "attempts"

    def attempt(self, number: int) -> Path:
        return self.attempts / str(number)

    def started(self, attempt: int) -> Path:
        """Written by the shim: host, boot, pids with their start times."""
        return self.attempt(attempt) / "started.json"

    def result(self, attempt: int) -> Path:
        """Written by the worker: summary, stop reason, error."""
        return self.attempt(attempt) / "result.json"

    def asked(self, attempt: int) -> Path:
        """Written by a launcher: this run is to stop, and others that share its process go on."""
        return self.attempt(attempt) / "asked"

    def exit(self, attempt: int) -> Path:
        """Written by the shim: exit code or signal, and whether memory ran out."""
        return self.attempt(attempt) / "exit.json"


class Home:
    """The home directory: `$SCIML_TUI_HOME`, else `$XDG_DATA_HOME/sciml-tui`."""

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        chosen = folder or os.environ.get("SCIML_TUI_HOME") or platformdirs.user_data_dir("sciml-tui", appauthor=False)
        self.folder = Path(chosen).expanduser().absolute()
        self.catalog = self.folder / "catalog.jsonl"
        self.runs = self.folder / "runs"
        self.datasets = self.folder / "datasets"
        self.models = self.folder / "models"
        self.plugins = self.folder / "plugins"
        self.config = self.folder / "config.toml"
        self.cache = self.folder / "cache"
        self.logs = self.folder / "logs"
        host = socket.gethostname()
        self.scheduler_lock = self.folder / f"scheduler-{host}.lock"
        self.scheduler_log = self.logs / f"scheduler-{host}.log"

    def create(self) -> Home:
        """Makes the directory, readable by its owner alone. Raises StoreError where that cannot be."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.runs, self.datasets, self.models, self.plugins, self.cache, self.logs):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"home directory: required a folder that can be written, got {self.folder} ({error.strerror}); "
                "name another with --home DIR or SCIML_TUI_HOME"
            ) from None
        return self

    def run(self, run_id: str) -> RunPaths:
        return RunPaths(self.runs / run_id)

    def environment(self) -> dict[str, str]:
        """The environment of child processes: this one's, with the home named."""
        return {**os.environ, "SCIML_TUI_HOME": str(self.folder)}
