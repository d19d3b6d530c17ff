"""The form for new runs: what the task describes, what is wrong at its field, how many runs, and as a command line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from textual.app import ComposeResult
from textual.events import DescendantFocus
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static
from textual.worker import Worker

from engine.errors import Problem, ScimlError, SpecError
from tui import clipboard, palette, submission, text
from tui.fields import NAME, OF_RUN, RESOURCES, SEEDS, TAG, Field, Option, value_text
from tui.forms import Form
from tui.keymap import KEYMAP
from tui.stack import lay
from tui.submission import Outlook
from tui.widgets.confirm import Confirm
from tui.widgets.footer import Footer
from tui.widgets.form_choice import ChoiceRow
from tui.widgets.form_picker import Picker
from tui.widgets.form_row import Columns, FormRow, Line
from tui.widgets.form_said import Rule, Said
from tui.widgets.form_text import TextRow
from tui.widgets.form_view import FormView
from tui.widgets.one_line import Part

if TYPE_CHECKING:
    from engine.client import Client
    from engine.describe import Catalogue
    from engine.records import Run

_TYPING = 0.12
"""Seconds without a letter after which what was typed is looked at."""
_JUDGING = 0.8
"""Seconds without a change after which the task is asked what it thinks, in a process of its own."""
_JUDGED = 200
"""More runs than these are judged when they are submitted, not before."""


class LaunchScreen(ModalScreen[list[str] | None]):
    """Gives the ids of the runs that were submitted, or None. task: shown first; params: of a run, to fill the form.

    Modal, so that no key of the app leaves what was typed by mistake. It asks the client on threads only.
    """

    AUTO_FOCUS = ""  # the form comes once the tasks are known
    BINDINGS = [*KEYMAP.bindings("launch", "form")]  # the choice between tasks lies outside the FormView
    DEFAULT_CSS = """
    LaunchScreen {
        background: $background;
        & #task { margin: 1 0 0 0; }
        & FormView { margin-top: 1; }
        & #trouble { height: auto; max-height: 5; padding: 0 2; color: $error; display: none; }
        & Rule { margin: 0 2; & > .line--muted { color: $foreground 25%; } }
    }
    """

    def __init__(
        self,
        client: Client,
        task: str | None = None,
        params: Mapping[str, Any] | None = None,
        run_fields: Mapping[str, str] | None = None,
    ) -> None:
        """run_fields: texts of the fields that are not the task's, by flag (`--tag`)."""
        super().__init__()
        self._client = client
        self._key, self._params, self._run_fields = task or "", dict(params or {}), dict(run_fields or {})
        self._catalogue: Catalogue | None = None
        self._forms: dict[str, Form] = {}
        self._judged: dict[str, Problem] = {}
        self._others: list[str] = []
        self._outlook = Outlook()
        self._known: dict[str, list[Option]] = {}
        self._touched = False
        self._typing: Timer | None = None
        self._judging: Timer | None = None
        self._judge_worker: Worker[None] | None = None
        self._submit_worker: Worker[None] | None = None
        self._doing = "reading what there is to run"

    @classmethod
    def again(cls, client: Client, run: Run) -> LaunchScreen:
        """Filled with what a run was given, to change some of it."""
        spec = run.spec
        resources = {flag: value_text(getattr(spec.resources, name), {}) for flag, name in RESOURCES.items()}
        fields = {SEEDS: str(spec.seed), NAME: spec.name, TAG: ",".join(spec.tags), **resources}
        return cls(client, spec.task, spec.params, fields)

    # what is on the screen

    def compose(self) -> ComposeResult:
        self._task_row = ChoiceRow(Line(_task_field({}), ""), Columns(18, 20), id="task")
        self._task_row.display = False
        yield self._task_row
        yield FormView()
        yield Rule()
        yield Said(id="about")
        yield Said(id="more")
        yield Static("", id="trouble", markup=False)
        yield Said(id="runs")
        yield Said(id="command")
        yield Footer()

    def on_mount(self) -> None:
        self._say()
        self.run_worker(self._describe(), name="describe")

    @property
    def _view(self) -> FormView:
        return self.query_one(FormView)

    @property
    def _form(self) -> Form | None:
        return self._forms.get(self._key)

    @property
    def _problems(self) -> dict[str, Problem]:
        """What is wrong, by field, in their order: told by the form, or by the task."""
        form = self._form
        if form is None:
            return {}
        found = {**self._judged, **form.problems}
        return {key: found[key] for key in form.by_key if key in found}

    async def _describe(self) -> None:
        try:
            self._catalogue = await asyncio.to_thread(self._client.describe)
        except ScimlError as error:
            self._doing, self._others = "", [str(error)]
            self._say()
            return
        self._doing = ""
        asked_for = self._make_forms(self._catalogue)
        await self._show()
        if asked_for and self._view.rows:
            next(iter(self._view.rows.values())).start()
        elif self._forms:
            self._task_row.start()
        self._judge_soon()

    def _make_forms(self, catalogue: Catalogue) -> bool:
        """Whether the task that was asked for is there; else the first is chosen."""
        for key, described in catalogue.tasks.items():
            self._forms[key] = Form.of(described, self._params if key == self._key else {}, self._run_fields)
        self._task_row.display = bool(self._forms)
        form = self._form
        if form is None:
            if self._key:
                self._others = [f"task: required one of {', '.join(self._forms) or 'none'}, got {self._key}"]
            self._key = next(iter(self._forms), "")
            return False
        if gone := self._params.keys() - form.by_key.keys():
            self._others = [f"left out, since {self._key} has no such parameter now: {', '.join(sorted(gone))}"]
        return True

    async def _show(self) -> None:
        """Brings rows and the lines below up to what was typed."""
        form = self._form
        if form is not None and self._catalogue is not None:
            problems = self._problems
            await self._view.show([self._line(form, field, problems) for field in form.fields])
            title = self._catalogue.tasks[self._key].title
            task = Line(_task_field(self._catalogue.tasks), self._key, hint=title, given=True)
            self._task_row.show(task, self._view.columns)
        self._say()

    def _line(self, form: Form, field: Field, problems: Mapping[str, Problem]) -> Line:
        problem = problems.get(field.key)
        return Line(
            field,
            form.text(field),
            hint=self._named(form, field) or form.hint(field),
            problem=f"required {problem.required}" + (f" ({problem.hint})" if problem.hint else "") if problem else "",
            given=field.key in form.given,
            first=_is_first(form.fields, field),
        )

    def _named(self, form: Form, field: Field) -> str:
        """What the run or dataset is that a value names."""
        chosen = form.values(field)
        found = (option for option in self._known.get(field.refers, []) if option.key in chosen)
        return ", ".join(" · ".join(filter(None, (option.title, option.summary))) for option in found)

    # the lines below

    def _say(self) -> None:
        about, more, runs, command = (self.query_one(f"#{name}", Said) for name in ("about", "more", "runs", "command"))
        form, field = self._form, self._focused_field()
        about.say(*self._about(form, field))
        more.say(*self._more(form, field))
        problems = self._problems
        trouble = self.query_one("#trouble", Static)
        trouble.display = bool(self._others)
        trouble.update("\n".join(f"{palette.glyph('warning')} {text.shown(other)}" for other in self._others))
        if self._doing:
            runs.say((text.shown(self._doing), "strong"))
        elif problems:
            count = f"{len(problems)} problem{'s' * (len(problems) != 1)}: "
            runs.say(
                (text.shown(f"{palette.glyph('warning')} {count}{', '.join(map(self._name_of, problems))}"), "problem")
            )
        elif form is not None:
            words = self._outlook.words(form.runs)
            runs.say((text.shown(form.counted), "strong"), (f", {words}" if words else "", "muted"))
        elif self._catalogue is not None:
            runs.say(("no task is installed; sciml-tui doctor says why", "problem"))
        lines = form.commands if form and not form.problems else []
        command.say((text.shown(" ; ".join(lines)), "muted"))

    def _focused_field(self) -> Field | None:
        row = self._focused_row()
        return row.line.field if row is not None else None

    def _focused_row(self) -> FormRow | None:
        return self._task_row if self._task_row.active else self._view.focused_row

    def _about(self, form: Form | None, field: Field | None) -> list[Part]:
        """What the field means; of a choice, what is chosen. What is wrong, where the next line says how to mend it."""
        if form is None or field is None:
            return []
        problem = self._problems.get(field.key)
        if problem is not None and problem.hint:
            return [(text.shown(str(msgspec.structs.replace(problem, hint=""))), "problem")]
        if field.key == _TASK:
            return [(text.shown(form.task.title), "strong"), (f"  {text.shown(form.task.summary)}", "")]
        option = _chosen(form, field)
        if option is None or not (option.title or option.summary):
            return [(text.shown(field.help), "")]
        return [(text.shown(option.title), "strong"), (f"  {text.shown(option.summary)}", "")]

    def _more(self, form: Form | None, field: Field | None) -> list[Part]:
        """What is wrong; else what is admitted, or more of what is chosen."""
        if form is None or field is None or field.key == _TASK:
            broken = self._catalogue.broken if self._catalogue else []
            names = ", ".join(text.shown(each.key) for each in broken)
            return [(f"broken: {names}; sciml-tui doctor says why", "problem")] if names else []
        if problem := self._problems.get(field.key):
            return [(text.shown(problem.hint or str(problem)), "problem")]
        option = _chosen(form, field)
        if option is not None:
            return [(text.shown("   ".join(filter(None, (option.detail, option.notes)))), "muted")]
        name = f"{field.key}: " if field.depth else ""
        several = "" if field.single else f"; {'[a,b],[c]' if field.kind == 'list' else 'a,b,c'} for a run each"
        return [(text.shown(name + _admitted(field) + several), "muted")]

    def _name_of(self, key: str) -> str:
        field = self._form.by_key.get(key) if self._form else None
        return field.name if field else key

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        self._say()
        field = self._focused_field()
        if field is not None and field.refers and field.refers not in self._known:
            self.run_worker(self._look_up(field.refers), group=f"look up {field.refers}", exclusive=True)

    async def _look_up(self, kind: str) -> None:
        """What can be named, the first time that a field asks for it."""
        try:
            self._known[kind] = await asyncio.to_thread(submission.referable, self._client, kind)
        except ScimlError as error:
            self._others = [str(error)]
        for row in self._view.rows.values():
            if isinstance(row, TextRow) and row.line.field.refers == kind:
                row.suggest([option.key for option in self._known.get(kind, [])])
        await self._show()

    # what is typed and chosen

    async def on_form_row_changed(self, message: FormRow.Changed) -> None:
        message.stop()
        await self._change(message.row, message.value)

    async def _change(self, row: FormRow, value: str) -> None:
        key = row.line.field.key
        if row is self._task_row:
            self._switch(value)
        elif self._form is not None:
            self._forms[self._key] = self._form.typing(key, value)
            self._judged.pop(key, None)
            self._touched = True
        self._others = []
        self._cancel_submission()
        self._judge_soon()
        if isinstance(row, ChoiceRow):
            await self._show()
        elif self._typing is not None:
            self._typing.reset()
        else:
            self._typing = self.set_timer(_TYPING, self._show_typed)

    def _take_last_letters(self) -> None:
        """A key can be faster than the message about the letter before it."""
        row, form = self._focused_row(), self._form
        if form is not None and isinstance(row, TextRow) and row.input.value != row.line.value:
            self._forms[self._key] = form.typing(row.line.field.key, row.input.value)

    async def _show_typed(self) -> None:
        self._typing = None
        await self._show()

    def _switch(self, task: str) -> None:
        """Another task; what was typed in the fields that every run has goes along."""
        if self._form is not None:
            of_run = {field.key: self._form.typed.get(field.key, "") for field in OF_RUN}
            self._forms[task] = Form(self._forms[task].task, {**self._forms[task].typed, **of_run})
        self._key, self._judged = task, {}

    def on_form_row_opened(self, message: FormRow.Opened) -> None:
        message.stop()
        row, form = message.row, self._form
        field = row.line.field
        options = field.options or self._known.get(field.refers, ())
        if form is None or not options:
            self._others = [] if form is None else [f"{field.name}: there is no {field.refers} yet that it can name"]
            self._say()
            return
        chosen = field.split(row.line.value) if field.kind == "choice" or not field.single else form.values(field)

        async def picked(keys: list[str] | None) -> None:
            if keys:
                if isinstance(row, TextRow):
                    row.input.value = ",".join(keys)
                await self._change(row, ",".join(keys))

        several = field.key != _TASK
        lay(self.app, Picker(field.name, options, chosen, several=several), picked)

    # what the task thinks of it

    def _judge_soon(self) -> None:
        self._outlook = Outlook()
        if self._judge_worker is not None:
            self._judge_worker.cancel()
        if self._judging is not None:
            self._judging.stop()
        self._judging = self.set_timer(_JUDGING, self._start_judging)

    def _start_judging(self) -> None:
        form = self._form
        if form is not None and not form.problems and form.runs <= _JUDGED and not self._doing:
            self._judge_worker = self.run_worker(self._judge(form), name="judge")

    async def _judge(self, form: Form) -> None:
        try:
            specs = await asyncio.to_thread(submission.plan, self._client, form.requests)
            self._outlook = await asyncio.to_thread(submission.outlook, self._client, specs)
            self._judged = {}
        except ScimlError as error:
            self._refused(form, error)
        await self._show()

    def _refused(self, form: Form, error: ScimlError) -> None:
        problems = error.problems if isinstance(error, SpecError) else ()
        self._judged, others = submission.by_field(problems, [field.key for field in form.fields])
        self._others = [str(problem) for problem in others] or ([] if problems else [str(error)])

    # what keys do

    async def action_submit(self) -> None:
        self._take_last_letters()
        form = self._form
        if form is None or self._doing:
            return
        self._judged, self._others = {}, []
        if form.problems:
            await self._show()
            self._go_to_problem()
            return
        if self._judge_worker is not None:
            self._judge_worker.cancel()
        self._doing = f"checking {form.counted}; esc goes back"
        self._say()
        self._submit_worker = self.run_worker(self._submit(form), name="submit")

    async def _submit(self, form: Form) -> None:
        try:
            specs = await asyncio.to_thread(submission.plan, self._client, form.requests)
            self._submit_worker, self._doing = None, f"submitting {form.counted}"
            self._say()
            runs = await asyncio.to_thread(self._client.submit, specs, pack=form.packs)
        except ScimlError as error:
            self._submit_worker, self._doing = None, ""
            self._refused(form, error)
            await self._show()
            self._go_to_problem()
        else:
            self.dismiss([run.id for run in runs])

    def _cancel_submission(self) -> bool:
        """While it is checked nothing is written yet. Whether there was anything to cancel."""
        if self._submit_worker is None:
            return False
        self._submit_worker.cancel()
        self._submit_worker, self._doing = None, ""
        return True

    def _go_to_problem(self) -> None:
        for key, row in self._view.rows.items():
            if key in self._problems:
                row.start()
                return

    def action_next(self) -> None:
        self.focus_next()

    def action_previous(self) -> None:
        self.focus_previous()

    def action_next_group(self) -> None:
        self.focus_next()

    def action_previous_group(self) -> None:
        self.focus_previous()

    def action_back(self) -> None:
        if self._cancel_submission():
            self._say()
        elif self._doing and self._catalogue is not None:
            return
        elif self._touched:
            question = Confirm("Leave without submitting?", consequence="What was typed here is lost.")
            lay(self.app, question, self._left)
        else:
            self.dismiss(None)

    def _left(self, leave: bool | None) -> None:
        if leave:
            self.dismiss(None)

    def action_copy(self) -> None:
        if self._form is not None and not self._form.problems:
            clipboard.copy(self.app, "\n".join(self._form.commands))


_TASK = "--task"
"""Key of the choice between tasks."""


def _task_field(tasks: Mapping[str, Any]) -> Field:
    options = tuple(Option(key, described.title, described.summary) for key, described in tasks.items())
    return Field(key=_TASK, kind="choice", properties=({"type": "string", "default": ""},), options=options)


def _is_first(fields: tuple[Field, ...], field: Field) -> bool:
    """Whether a group begins: a choice with its parameters, what comes after one, what belongs to the run."""
    at = fields.index(field)
    if at == 0 or field.key in (SEEDS, "--gpus"):
        return at > 0
    before = fields[at - 1]
    return field.depth == 0 and (field.brings or before.depth > 0 or before.brings)


def _chosen(form: Form, field: Field) -> Option | None:
    values = form.values(field)
    return next((option for option in field.options if option.key in values), None)


def _admitted(field: Field) -> str:
    """In words, with the unit: what a value must be."""
    from engine.values import required

    words = field.limits if field.key == SEEDS else required(field.properties[0])
    return f"{words}, in {field.unit}" if field.unit else words
