"""Fine-tuned against from scratch by the number of examples (Subramanian et al. 2023): what pretraining saves.

An FNO is pretrained on Poisson problems, SYS-1(1,5), and fine-tuned on SYS-1(5,10) with N examples, beside the same
network trained from random weights on the same N, with the same steps and the same learning rates to choose from. At
the scale of the paper all of its cases are there, each pretrained on its own system.
"""

from __future__ import annotations

from engine.api import Published, Suite, SuiteTable
from experiments.suites._operators import (
    AT,
    DOWNSTREAM,
    GPU,
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

SHIFTED = Case("poisson", 5, 10)
PUBLISHED = (
    Published(row=(SHIFTED.name, AT), column="finetune", figure=1e-2),
    Published(row=(SHIFTED.name, 8192), column="scratch", figure=1e-2),
)


def _suite(scale: Scale, cases: tuple[Case, ...], samples: tuple[int, ...], minutes: float | None) -> Suite:
    first = [pretraining(scale, PRETRAINED[key], seed) for key in _systems(cases) for seed in scale.seeds]
    runs = [
        run
        for case in cases
        for run in downstream(scale, case, samples, init=f"pretrain/{PRETRAINED[case.system].name}/{{seed}}")
    ]
    several = len(cases) > 1
    return Suite(
        key="transfer",
        scale=scale.name,
        title="Fine-tuned against from scratch, by the number of examples",
        summary="FNO pretrained on SYS-1(1,5)"
        + (" and others" if several else "")
        + ", on shifted ranges with N examples",
        runs=(*first, *runs),
        tables=(
            SuiteTable(
                title="Relative L2 error by number of examples",
                runs="downstream/",
                rows=("case", "samples"),
                columns="mode",
                values=("rel_l2",),
                published=PUBLISHED if scale in (GPU, PAPER) else (),
                notes="both sides have the same examples, steps and learning rates to choose from by validation; "
                "0 examples: the pretrained model as it is",
            ),
            SuiteTable(
                title="Learning rates that were chosen",
                runs="downstream/curve/",
                rows=("case", "samples"),
                columns="mode",
                values=("chosen_lr",),
                lowest_is_best=False,
                notes="the mean over the seeds",
            ),
            SuiteTable(
                title="Pretraining",
                runs="pretrain/",
                rows=("system",),
                values=("rel_l2", "validation_rel_l2", "seconds"),
            ),
        ),
        crossings=crossings(samples, 512),
        figures=curves(cases),
        minutes=minutes,
    )


def _systems(cases: tuple[Case, ...]) -> list[str]:
    return list(dict.fromkeys(case.system for case in cases))


SUITE = (
    _suite(SMOKE, (SHIFTED,), (8, 16), 0.5),
    _suite(QUICK, (SHIFTED,), (8, 64, 512, 2048), 25),
    _suite(GPU, (SHIFTED,), (8, 64, 512, 2048, 8192, 32768), 9),
    _suite(PAPER, DOWNSTREAM, (8, 32, 64, 128, 512, 2048, 8192, 32768), None),
)
