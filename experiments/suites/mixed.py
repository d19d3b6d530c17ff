"""One model pretrained on three systems at once against three, each pretrained on its own (Subramanian et al. 2023).

The mixture SYS-1(1,5) + SYS-2(0.2,1) + SYS-3(1,10) has seven input channels, zero where a system lacks a coefficient;
the diffusion of Helmholtz is a tensor like that of the others. As published it has of each system as many examples as
the model of that system alone, seen as often: three times the examples and the steps in all, in one network of the same
size. All are then judged on each system they know, and fine-tuned on shifted ranges with N examples.
"""

from __future__ import annotations

from engine.api import Suite, SuiteRun, SuiteTable, Value
from experiments.suites._operators import (
    GPU,
    PAPER,
    PRETRAINED,
    QUICK,
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

LARGE = GPU._replace(
    fields={"grid": 64, "validation": 128, "test": 512},
    model={"model": "fno-16M"},
    pretraining={"samples": 8192, "steps": 6000, "batch": 16, "lr_sweep": [1e-3, 4e-3], "loss": "relative"},
)
"""A network with room for three systems."""

FINE_TUNED = SuiteTable(
    title="Relative L2 error when fine-tuned",
    runs="downstream/curve/",
    rows=("case", "samples"),
    columns="pretraining",
    values=("rel_l2",),
)


def _suite(
    scale: Scale, cases: tuple[Case, ...], samples: tuple[int, ...], minutes: float | None, **own: Value
) -> Suite:
    """own: parameters of the mixture's pretraining."""
    first: list[SuiteRun] = []
    for seed in scale.seeds:
        first.append(mixed_pretraining(scale, seed, **own))
        first += [pretraining(scale, case, seed) for case in PRETRAINED.values()]
    kinds = (("single/", "one system", "pretrain/{case}"), ("mixed/", "mixture", "pretrain/mixed"))
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
                notes="of each system a mixture saw as many examples, as often, as the model of that system alone",
            ),
            *((FINE_TUNED,) if samples else ()),
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
    _suite(SMOKE, JUDGED[:1], (8,), 1),
    _suite(QUICK, JUDGED, (64,), 50, lr=1e-2),
    _suite(LARGE, (), (), 4),
    _suite(PAPER, JUDGED, (64, 512, 8192), None),
)
