"""Many trainings in lock-step: in each round, every one that goes on gets the evaluations that it waits for.

On a GPU those that are of one shape are evaluated at once. On a CPU one is evaluated after the other: with a dimension
more, the passes take 1.7 times as long at 300 points and twice at 1,000, and gain only below a hundred.
There each makes a few evaluations in a row, so that what its optimiser knows of the curvature is in the cache.

Each has its own optimiser, line search, strategy, stop and reporter; what one of them meets (an end, a stop, a loss
that is not finite, a fault) leaves the others alone.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments.pinns.batched import Batch, Part
from experiments.pinns.objective import Fused, Objective
from experiments.pinns.optimizers import Evaluation
from experiments.pinns.train import Asked, Evaluations, Training

IN_A_ROW = 16
"""Evaluations of each network in a round on a CPU."""

MOST_BYTES = 4e9
"""Of the activations of networks that are evaluated at once."""

Ended = tuple[int, BaseException | None]
"""Which training has ended, and with what, unless it came to its end."""

Answer = Evaluation | Exception


def train(trainings: Sequence[Training], *, at_once: bool) -> Iterator[Ended]:
    """Yields each as it ends. at_once: evaluate networks of one shape together."""
    running = {i: _Member(training.evaluations()) for i, training in enumerate(trainings)}
    together = Together()
    while running:
        if at_once:
            asked = {i: member.asked for i, member in running.items() if member.asked}
            for i, answer in together.answers(asked).items():
                running[i].take(answer)
        else:
            for member in running.values():
                member.advance(IN_A_ROW)
        for i in [i for i, member in running.items() if member.asked is None]:
            yield i, running.pop(i).raised


class _Member:
    """A training on its way. asked: the evaluation that it waits for, None once it has ended. raised: what it ended
    with, if it did not come to its end.
    """

    def __init__(self, evaluations: Evaluations[None]) -> None:
        self._evaluations = evaluations
        self.asked: Asked | None = None
        self.raised: Exception | None = None
        self._go_on(None)

    def take(self, answer: Answer) -> None:
        if isinstance(answer, Evaluation):
            self._go_on(answer)
        else:
            self._evaluations.close()
            self.asked, self.raised = None, answer

    def advance(self, count: int) -> None:
        """By so many evaluations, which it makes itself."""
        for _ in range(count):
            if self.asked:
                self.take(_alone(self.asked))

    def _go_on(self, evaluation: Evaluation | None) -> None:
        try:
            self.asked = next(self._evaluations) if evaluation is None else self._evaluations.send(evaluation)
        except StopIteration:
            self.asked = None
        except Exception as error:  # noqa: BLE001  whatever it is, it is this one's: the others go on
            self.asked, self.raised = None, error


def _alone(asked: Asked) -> Answer:
    try:
        return asked.answer()
    except Exception as error:  # noqa: BLE001  as above
        for raised in (error, error.__cause__):
            if raised:
                traceback.clear_frames(raised.__traceback__)  # what was computed when memory ran out, for one
        return error


class _Known(NamedTuple):
    """A function that was asked for in the last round; part: of one that was laid out."""

    function: Objective
    part: Part | None


class Together:
    """Answers the evaluations of a round.

    What a training asks for once is evaluated alone; from the second time on it is laid out, to be evaluated with all
    that are of its shape. When a training ends or goes on to another problem, those that are left are laid out anew.
    A shape that cannot be evaluated at once (a residual that takes coefficients for plain numbers, no memory left) is
    evaluated alone from then on.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._batches: dict[tuple[int, ...], tuple[list[Part], Batch]] = {}
        self._unfit: set[object] = set()

    def answers(self, asked: Mapping[int, Asked]) -> dict[int, Answer]:
        self._known = {i: self._look(i, one.function) for i, one in asked.items()}
        groups: dict[object, list[int]] = {}
        for i, known in self._known.items():
            groups.setdefault(known.part.shape if known.part else i, []).append(i)
        batches, self._batches = self._batches, {}
        found: dict[int, Answer] = {}
        for group in groups.values():
            for members in self._within_memory(group):
                found |= self._answered(members, asked, batches)
        return found

    def _look(self, i: int, function: Objective) -> _Known:
        known = self._known.get(i)
        if known is None or known.function is not function or not isinstance(function, Fused):
            return _Known(function, None)
        if known.part:
            return known
        try:
            return _Known(function, Part(function.network, function.problem))
        except ValueError:
            return _Known(function, None)

    def _within_memory(self, group: list[int]) -> list[list[int]]:
        part = self._known[group[0]].part
        count = max(1, int(MOST_BYTES / part.bytes)) if part else 1
        return [group[start : start + count] for start in range(0, len(group), count)]

    def _answered(
        self,
        members: list[int],
        asked: Mapping[int, Asked],
        batches: Mapping[tuple[int, ...], tuple[list[Part], Batch]],
    ) -> dict[int, Answer]:
        parts = [part for i in members if (part := self._known[i].part)]
        if len(parts) < 2 or parts[0].shape in self._unfit:
            return {i: _alone(asked[i]) for i in members}
        key = tuple(map(id, parts))
        answers: list[Evaluation] = []
        try:
            kept = batches.get(key) or (parts, Batch(parts))
            answers = kept[1]([asked[i].point for i in members])
            self._batches[key] = kept
        except Exception:  # noqa: BLE001  what is really wrong is found again alone, and is one's own
            self._unfit.add(parts[0].shape)
        if not answers:  # only here, where the error and the memory that it holds on to are gone
            return {i: _alone(asked[i]) for i in members}
        return dict(zip(members, answers, strict=True))
