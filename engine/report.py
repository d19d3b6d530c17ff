"""What a run reported, read back from its stream: the counterpart of `engine.reporter`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.api import Artifact
from engine.errors import StoreCorrupt
from engine.paths import Home
from engine.store.stream import StreamReader

if TYPE_CHECKING:
    import numpy as np

STAGES = "stages"
FIELDS = "fields"
ARTIFACTS = "artifacts"
PROGRESS = "progress"
WARNINGS = "warnings"
CHECKPOINTS = "checkpoints"
ATTEMPTS = "attempts"
"""Tables of a stream beside its points."""


class Report:
    """Follows what a run reports. `poll` reads on; everything else is as of the last poll. Safe for threads."""

    def __init__(self, home: Home, run_id: str) -> None:
        self.home, self.run = home, run_id
        self.reader = StreamReader(home.run(run_id).stream)

    def poll(self) -> bool:
        """Whether there was anything new."""
        return self.reader.poll()

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """{name: float64 (points,)}, `step` and `time` among them, NaN where a point has no value."""
        return self.reader.columns

    @property
    def last(self) -> dict[str, float]:
        """The newest value of each column."""
        return self.reader.last

    @property
    def stages(self) -> list[dict[str, Any]]:
        """Stages in the order they began: {name, step, and what is known of it}."""
        found: dict[str, dict[str, Any]] = {}
        for document in self.reader.documents(STAGES):
            stage = found.setdefault(document["name"], dict(document))
            stage.update(document | {"step": stage["step"]})
        return list(found.values())

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """{attempt, at, from_step}: the step that a resumed one went back to, None for a beginning."""
        return self.reader.documents(ATTEMPTS)

    @property
    def progress(self) -> dict[str, Any] | None:
        """{done, total, what, at}, or None."""
        return self.reader.newest(PROGRESS)

    @property
    def warnings(self) -> list[str]:
        return list(dict.fromkeys(document["text"] for document in self.reader.documents(WARNINGS)))

    @property
    def fields(self) -> list[dict[str, Any]]:
        """Stored arrays by step: {step, path, size, sha256, arrays: {name: shape}}; `arrays_of` reads them."""
        found = {document["step"]: document for document in self.reader.documents(FIELDS)}
        return [found[step] for step in sorted(found)]

    def arrays_of(self, fields: dict[str, Any]) -> dict[str, np.ndarray]:
        """The arrays of an entry of `fields`, in the order they were given. Raises StoreCorrupt."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = self.home.folder / fields["path"]
        try:
            arrays = load_file(path)
            return {name: arrays[name] for name in fields["arrays"]}
        except (OSError, SafetensorError, KeyError) as error:
            raise StoreCorrupt(f"{path}: required the fields of run {self.run}, got {error}") from None

    @property
    def artifacts(self) -> dict[str, Artifact]:
        """Files that the run left or published, by name."""
        found = {}
        for document in self.reader.documents(ARTIFACTS):
            found[document["name"]] = Artifact(**document | {"path": Path(self.home.folder, document["path"])})
        return found
