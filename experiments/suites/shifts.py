"""How far transfer reaches (Subramanian et al. 2023): every downstream range of the paper and the talk, at one N.

Each system is pretrained on its own range; then on each shifted range the pretrained model as it is, fine-tuned, and
the same network from scratch are set side by side. The larger the shift, the less pretraining saves.
"""

from __future__ import annotations

from engine.api import Suite, SuiteFigure, SuiteTable
from experiments.suites._operators import (
    COARSE,
    DOWNSTREAM,
    PAPER,
    PRETRAINED,
    SMOKE,
    Case,
    Scale,
    downstream,
    pretraining,
)


def _suite(scale: Scale, cases: tuple[Case, ...], samples: int, minutes: float | None) -> Suite:
    systems = dict.fromkeys(case.system for case in cases)
    first = [pretraining(scale, PRETRAINED[key], seed) for key in systems for seed in scale.seeds]
    runs = [
        run
        for case in cases
        for run in downstream(scale, case, (samples,), init=f"pretrain/{PRETRAINED[case.system].name}/{{seed}}")
    ]
    return Suite(
        key="shifts",
        scale=scale.name,
        title=f"Every shifted range: as it is, fine-tuned and from scratch, with {samples} examples",
        summary="FNO pretrained on SYS-1(1,5), SYS-2(0.2,1) and SYS-3(1,10), on each of their downstream ranges",
        runs=(*first, *runs),
        tables=(
            SuiteTable(
                title=f"Relative L2 error with {samples} examples",
                runs="downstream/",
                rows=("case",),
                columns="mode",
                values=("rel_l2",),
                notes="zeroshot: the pretrained model as it is; the other two have the same examples, steps and "
                "learning rates to choose from",
            ),
            SuiteTable(
                title="Residual of the PDE in the prediction",
                runs="downstream/",
                rows=("case",),
                columns="mode",
                values=("residual",),
                notes="‖operator(prediction) - f‖ / ‖f‖: rough errors weigh more in it than in the error itself",
            ),
            SuiteTable(
                title="Pretraining", runs="pretrain/", rows=("system",), values=("rel_l2", "rmse_high", "seconds")
            ),
        ),
        figures=tuple(
            SuiteFigure(
                title=f"Error of the fine-tuned model, {case.name}",
                kind="maps",
                runs=f"downstream/curve/{case.name}/finetune/",
                x="x",
                y="y",
                value="error",
            )
            for case in cases
        ),
        minutes=minutes,
    )


SUITE = (
    _suite(SMOKE, tuple(DOWNSTREAM[place] for place in (2, 5, 6)), 8, 1),
    _suite(COARSE, DOWNSTREAM, 64, 30),
    _suite(PAPER, DOWNSTREAM, 64, None),
)
