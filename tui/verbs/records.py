"""Records as the verbs print them with `--json`: the keys are relied on from outside, so they are spelled out here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.filters import row
from engine.records import Run
from tui.render import emit
from tui.session import Session

if TYPE_CHECKING:
    from engine.report import Report


def run_record(run: Run, now: float | None = None) -> dict[str, Any]:
    """A run; times are Unix seconds, `seconds` counts an attempt that is going on."""
    return {
        "id": run.id,
        "name": run.spec.name,
        "task": run.spec.task,
        "status": run.status,
        "reason": run.reason,
        "seed": run.spec.seed,
        "params": run.spec.params,
        "tags": run.spec.tags,
        "created": run.created,
        "started": run.started,
        "ended": run.ended,
        "seconds": row(run, time.time() if now is None else now)["seconds"],
        "device": run.device,
        "summary": run.summary,
        "label": run.label,
        "attempt": run.attempt,
        "needs": run.spec.needs,
        "resources": run.spec.resources,
        "identity": run.identity,
        "retry_of": run.retry_of,
        "pack": run.pack,
        "note": run.note,
        "archived": run.archived,
        "warnings": run.warnings,
        "code": run.code,
        "versions": run.versions,
    }


def emit_runs(runs: Sequence[Run]) -> None:
    """A list of run records as JSON."""
    now = time.time()
    emit([run_record(run, now) for run in runs])


def report_of(session: Session, run: Run) -> Report:
    """What a run has reported so far."""
    from engine.report import Report

    report = Report(session.client.home, run.id)
    report.poll()
    return report
