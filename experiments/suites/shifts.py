"""How far transfer reaches (Subramanian et al. 2023): every downstream range of the paper and the talk.

Each system is pretrained on its own range; then on each shifted range the pretrained model as it is, fine-tuned with N
examples, and the same network from scratch are set side by side. The larger the shift, the less pretraining saves.
"""

from __future__ import annotations

from engine.api import Suite, SuiteFigure, SuiteTable
from experiments.suites._operators import (
    AT,
    DOWNSTREAM,
    PAPER,
    PRETRAINED,
    QUICK,
    SMOKE,
    Case,
    Scale,
    crossings,
    curves,
    downstream,
    pretraining,
)


def _suite(scale: Scale, cases: tuple[Case, ...], samples: tuple[int, ...], minutes: float | None) -> Suite:
    shown = AT if AT in samples else samples[0]
    systems = dict.fromkeys(case.system for case in cases)
    first = [pretraining(scale, PRETRAINED[key], seed) for key in systems for seed in scale.seeds]
    runs = [
        run
        for case in cases
        for run in downstream(scale, case, samples, init=f"pretrain/{PRETRAINED[case.system].name}/{{seed}}")
    ]
    return Suite(
        key="shifts",
        scale=scale.name,
        title="Every shifted range: as it is, fine-tuned and from scratch",
        summary="FNO pretrained on SYS-1(1,5), SYS-2(0.2,1) and SYS-3(1,10), on each of their downstream ranges",
        runs=(*first, *runs),
        tables=(
            SuiteTable(
                title="Relative L2 error by number of examples",
                runs="downstream/",
                rows=("case", "samples"),
                columns="mode",
                values=("rel_l2",),
                notes="both sides have the same examples, steps and learning rates to choose from by validation; "
                "0 examples: the pretrained model as it is",
            ),
            SuiteTable(
                title="Residual of the PDE in the prediction",
                runs="downstream/",
                rows=("case", "samples"),
                columns="mode",
                values=("residual",),
                notes="‖operator(prediction) - f‖ / ‖f‖: rough errors weigh more in it than in the error itself",
            ),
            SuiteTable(
                title="Pretraining", runs="pretrain/", rows=("system",), values=("rel_l2", "rmse_high", "seconds")
            ),
        ),
        crossings=crossings(samples),
        figures=(
            *curves(cases),
            *(
                SuiteFigure(
                    title=f"Error of the model fine-tuned with {shown}, {case.name}",
                    kind="maps",
                    runs=f"downstream/curve/{case.name}/finetune/{shown}/",
                    x="x",
                    y="y",
                    value="error",
                )
                for case in cases
            ),
        ),
        minutes=minutes,
    )


SUITE = (
    _suite(SMOKE, tuple(DOWNSTREAM[place] for place in (2, 5, 6)), (8,), 1),
    _suite(QUICK, DOWNSTREAM, (8, 64, 512), 95),
    _suite(PAPER, DOWNSTREAM, (AT,), None),
)
