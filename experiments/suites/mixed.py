"""One model pretrained on three systems at once against three, each pretrained on its own (Subramanian et al. 2023).

The mixture SYS-1(1,5) + SYS-2(0.2,1) + SYS-3(1,10) has seven input channels, zero where a system lacks a coefficient;
the diffusion of Helmholtz is a tensor like that of the others. As published it has of each system as many examples as
the model of that system alone, seen as often: three times the examples and the steps in all, in one network of the same
size. What a mixture gains from more time is seen beside it. All are then judged on each system they know, and
fine-tuned on shifted ranges with N examples.
"""

from __future__ import annotations

from engine.api import Suite, SuiteRun, SuiteTable
from experiments.suites._operators import (
    COARSE,
    PAPER,
    PRETRAINED,
    SMOKE,
    Case,
    Scale,
    downstream,
    mixed_pretraining,
    pretraining,
)

JUDGED = (
    *(Case("poisson", low, high) for low, high in ((1, 2.5), (5, 10))),
    *(Case("advection_diffusion", low, high) for low, high in ((0.2, 0.4), (1, 2))),
    Case("helmholtz", 1, 5),
)
"""For each system a range within what it was pretrained on, as in the talk, and of two of them one beside it."""
SINGLE, MIXED, LONGER = "one system", "mixture", "mixture, {} times as long"


def _suite(
    scale: Scale, cases: tuple[Case, ...], samples: tuple[int, ...], minutes: float | None, longer: int = 1
) -> Suite:
    """longer: besides, a mixture that sees everything so many times as often."""
    first: list[SuiteRun] = []
    kinds = [("single/", SINGLE, "pretrain/{case}"), ("mixed/", MIXED, "pretrain/mixed")]
    if longer > 1:
        kinds.append(("longer/", LONGER.format(longer), "pretrain/mixed-longer"))
    for seed in scale.seeds:
        first += [mixed_pretraining(scale, seed), *(pretraining(scale, case, seed) for case in PRETRAINED.values())]
        if longer > 1:
            first.append(mixed_pretraining(scale, seed, longer))
    runs = []
    for under, label, init in kinds:
        for case in PRETRAINED.values():
            start = init.format(case=case.name) + "/{seed}"
            runs += downstream(scale, case, (), init=start, under=under, pretraining=label)
        for case in cases:
            start = init.format(case=PRETRAINED[case.system].name) + "/{seed}"
            runs += downstream(
                scale, case, samples, init=start, under=under, modes=("zeroshot", "finetune"), pretraining=label
            )
    return Suite(
        key="mixed",
        scale=scale.name,
        title="Pretrained on a mixture of systems against on each alone",
        summary="SYS-1(1,5) + SYS-2(0.2,1) + SYS-3(1,10) in one FNO, against one FNO each",
        runs=(*first, *runs),
        tables=(
            SuiteTable(
                title="Relative L2 error of the pretrained models, on what they know and beside it",
                runs="downstream/zeroshot/",
                rows=("case",),
                columns="pretraining",
                values=("rel_l2",),
                notes="of each system a mixture saw as many examples as the model of that system alone; as often, "
                "unless its column says otherwise",
            ),
            SuiteTable(
                title="Relative L2 error when fine-tuned",
                runs="downstream/curve/",
                rows=("case", "samples"),
                columns="pretraining",
                values=("rel_l2",),
            ),
            SuiteTable(
                title="Pretraining",
                runs="pretrain/",
                rows=("mix", "system", "steps"),
                values=("validation_rel_l2", "seconds"),
            ),
        ),
        minutes=minutes,
    )


SUITE = (
    _suite(SMOKE, JUDGED[:1], (8,), 1, longer=2),
    _suite(COARSE._replace(rates=COARSE.rates[:2]), JUDGED, (64,), 50, longer=3),
    _suite(PAPER, JUDGED, (64, 512, 8192), None),
)
