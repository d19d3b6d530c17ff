"""Error against the size of the model (Subramanian et al. 2023): do larger models gain more from pretraining?

The same data and the same steps for every size: pretrained on SYS-1(1,5), then on SYS-1(5,10) with N examples, as it
is, fine-tuned, and from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.api import Suite, SuiteFigure, SuiteRun, SuiteTable
from experiments.models import fno
from experiments.models.fno import FNO
from experiments.suites._operators import PAPER, PRETRAINED, QUICK, SMOKE, Case, Model, Scale, downstream, pretraining

FIRST, SHIFTED = PRETRAINED["poisson"], Case("poisson", 5, 10)


CHANNELS = 4
"""Of Poisson problems: the source and three coefficients."""
PUBLISHED = fno.SIZES
SMALL, MIDDLE = FNO(width=8, modes=4), FNO(width=16, modes=8)


def _suite(scale: Scale, sizes: Sequence[FNO], samples: tuple[int, ...], minutes: float | None) -> Suite:
    first: list[SuiteRun] = []
    runs: list[SuiteRun] = []
    for spec in sizes:
        model: Model = {"model": "fno", "model.width": spec.width, "model.modes": spec.modes}
        under = f"{spec.width}-{spec.modes}/"
        parameters = fno.MODEL.size(spec, CHANNELS)
        first += [pretraining(scale, FIRST, seed, model, under, parameters=parameters) for seed in scale.seeds]
        start = f"pretrain/{under}{FIRST.name}/{{seed}}"
        runs += downstream(scale, SHIFTED, samples, init=start, model=model, under=under, parameters=parameters)
    return Suite(
        key="model_size",
        scale=scale.name,
        title="Error against the size of the model",
        summary="FNOs of several sizes pretrained on SYS-1(1,5), on SYS-1(5,10) fine-tuned and from scratch",
        runs=(*first, *runs),
        tables=(
            SuiteTable(
                title="Relative L2 error on SYS-1(5,10) by number of parameters",
                runs="downstream/",
                rows=("samples", "parameters"),
                columns="mode",
                values=("rel_l2",),
                notes="every size takes the same steps; 0 examples: the pretrained model as it is",
            ),
            SuiteTable(
                title="Pretraining on SYS-1(1,5) by number of parameters",
                runs="pretrain/",
                rows=("parameters",),
                values=("rel_l2", "validation_rel_l2", "seconds"),
            ),
        ),
        figures=(
            SuiteFigure(
                title="Error on SYS-1(5,10) by number of parameters",
                runs="downstream/curve/",
                x="parameters",
                value="rel_l2",
                series=("mode", "samples"),
                log_x=True,
            ),
            SuiteFigure(
                title="Error of pretraining by number of parameters",
                runs="pretrain/",
                x="parameters",
                value="rel_l2",
                log_x=True,
            ),
        ),
        minutes=minutes,
    )


SUITE = (
    _suite(SMOKE, (FNO(width=2, modes=2), FNO(width=4, modes=4)), (8,), 1),
    _suite(QUICK, (SMALL, PUBLISHED["64K"], MIDDLE), (64,), 25),
    _suite(PAPER, tuple(PUBLISHED.values()), (64, 512, 8192), None),
)
