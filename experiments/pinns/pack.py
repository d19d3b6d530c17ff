"""Many trainings in lock-step: in each round, every one that goes on gets the evaluations that it waits for.

On a CPU the networks are evaluated one after the other, which is the fastest there, a few evaluations of each in a row:
what its optimiser knows of the curvature is then in the cache. Each has its own optimiser, line search, strategy, stop
and reporter; what one of them meets (an end, a stop, a loss that is not finite, a fault) leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments.pinns.train import Asked, Evaluations, Training

IN_A_ROW = 8
"""Evaluations of each network in a round on a CPU."""

Ended = tuple[int, BaseException | None]
"""Which training has ended, and with what, unless it came to its end."""


def train(trainings: Sequence[Training]) -> Iterator[Ended]:
    """Yields each as it ends."""
    running = {i: _Member(training.evaluations()) for i, training in enumerate(trainings)}
    while running:
        for i, member in list(running.items()):
            member.advance(IN_A_ROW)
            if member.ended:
                del running[i]
                yield i, member.raised


class _Member:
    """A training on its way. asked: the evaluation that it waits for. raised: what it ended with, if it did not come to
    its end.
    """

    def __init__(self, evaluations: Evaluations[None]) -> None:
        self._evaluations = evaluations
        self.asked: Asked | None = None
        self.ended = False
        self.raised: Exception | None = None

    def advance(self, count: int) -> None:
        """By so many evaluations, which it makes itself."""
        try:
            if self.asked is None:
                self.asked = next(self._evaluations)
            for _ in range(count):
                self.asked = self._evaluations.send(self.asked.answer())
        except StopIteration:
            self.ended = True
        except Exception as error:  # noqa: BLE001  whatever it is, it is this one's: the others go on
            self.ended, self.raised = True, error
