import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import Resources, RunSpec
from engine.records import ENDED, Claim, Run, Status
from engine.schedule import Capacity, Skip, Start, Wait, decide

TWO = Capacity(cpus=2)
BOX = Capacity(cpus=8, gpus=("A", "B"))


def waiting(number, *, needs=(), **resources):
    spec = RunSpec(task="t", needs=needs, resources=Resources(**resources))
    return Run(id=f"r{number:04x}", spec=spec, created=float(number))


def packed(*numbers, **options):
    return [msgspec.structs.replace(waiting(number, **options), pack=f"r{numbers[0]:04x}") for number in numbers]


def active(number, *, cpus=1, gpus=(), share=1.0, job=""):
    claim = Claim(host="h", boot="b", pid=1, at=0.0, cpus=cpus, gpus=gpus, gpu_share=share, job=job)
    return Run(id=f"r{number:04x}", spec=RunSpec(task="t"), status=Status.RUNNING, claim=claim)


def ended(number, status):
    return Run(id=f"r{number:04x}", spec=RunSpec(task="t"), status=status)


def started(decisions):
    return {d.run.id: (d.cpus, d.gpus, d.share) for d in decisions if isinstance(d, Start)}


def test_runs_start_in_the_order_of_submission_until_the_cpus_are_used():
    decisions = decide([waiting(3), waiting(1), waiting(2)], [], {}, TWO)
    assert [d.run.id for d in decisions] == ["r0001", "r0002", "r0003"]
    assert list(started(decisions)) == ["r0001", "r0002"]
    assert decisions[2] == Wait(waiting(3), Status.QUEUED)


def test_active_runs_keep_their_cpus():
    assert started(decide([waiting(1), waiting(2)], [active(9)], {}, TWO)) == {"r0001": (1, (), 1.0)}


def test_a_pack_starts_as_one_job_with_what_one_of_its_runs_asks_for():
    decisions = decide([*packed(1, 3, 4), waiting(2), waiting(5)], [], {}, TWO)
    assert [tuple(run.id for run in d.runs) for d in decisions if isinstance(d, Start)] == [
        ("r0001", "r0003", "r0004"),
        ("r0002",),
    ]
    assert decisions[2] == Wait(waiting(5), Status.QUEUED)


def test_a_pack_that_does_not_fit_waits_as_a_whole():
    decisions = decide(packed(1, 2, gpus=1), [active(8, gpus=("A",)), active(9, gpus=("B",))], {}, BOX)
    assert [(d.run.id, d.status, d.reason) for d in decisions] == [
        (run, Status.QUEUED, "waits for GPUs") for run in ("r0001", "r0002")
    ]
    impossible = decide(packed(1, 2, cpus=3), [], {}, TWO)
    assert [(type(d), d.run.id) for d in impossible] == [(Skip, "r0001"), (Skip, "r0002")]


def test_of_a_pack_what_can_never_start_drops_out_and_what_is_blocked_is_waited_for():
    one, two = packed(1, 2)
    needs = msgspec.structs.replace(two, spec=RunSpec(task="t", needs=("r0009",)))
    (skip, start) = decide([one, needs], [], {"r0009": ended(9, Status.FAILED)}, TWO)
    assert isinstance(skip, Skip) and skip.run == needs
    assert isinstance(start, Start) and start.runs == (one,)
    first, second = decide([one, needs], [], {"r0009": active(9)}, TWO)
    assert (first.run.id, first.status) == ("r0002", Status.BLOCKED)
    assert (second.run.id, second.status) == ("r0001", Status.QUEUED)
    assert second.reason == "waits for r0002, which is of its pack and waits itself"


def test_active_runs_that_share_a_job_hold_one_lease():
    pack = [active(n, cpus=1, job="r0007/1") for n in (7, 8, 9)]
    assert started(decide([waiting(1), waiting(2)], pack, {}, TWO)) == {"r0001": (1, (), 1.0)}


def test_a_wide_run_is_not_starved_by_narrow_ones_behind_it():
    decisions = decide([waiting(1, cpus=2), waiting(2)], [active(9)], {}, TWO)
    assert started(decisions) == {}


def test_a_run_that_waits_for_a_gpu_lets_runs_on_cpus_pass():
    queue = [waiting(1, gpus=1), waiting(2, gpus=0), waiting(3)]
    decisions = decide(queue, [active(8, gpus=("A",)), active(9, gpus=("B",))], {}, BOX)
    assert decisions[0] == Wait(queue[0], Status.QUEUED, "waits for GPUs")
    assert started(decisions) == {"r0002": (1, (), 1.0), "r0003": (1, (), 1.0)}


def test_a_run_that_waits_for_two_gpus_keeps_the_free_one():
    queue = [waiting(1, gpus=2), waiting(2, gpus=1), waiting(3, gpus=0.5), waiting(4)]
    decisions = decide(queue, [active(9, gpus=("A",))], {}, BOX)
    assert started(decisions) == {"r0004": (1, (), 1.0)}


def test_a_whole_gpu_is_not_starved_by_fractions():
    queue = [waiting(1, gpus=2), waiting(2, gpus=0.25)]
    assert started(decide(queue, [active(9, gpus=("A",), share=0.5)], {}, BOX)) == {}


def test_auto_takes_one_free_gpu_and_else_the_cpu():
    decisions = decide([waiting(1), waiting(2), waiting(3)], [], {}, BOX)
    assert started(decisions) == {"r0001": (1, ("A",), 1.0), "r0002": (1, ("B",), 1.0), "r0003": (1, (), 1.0)}


def test_a_number_of_gpus_is_exclusive():
    decisions = decide([waiting(1, gpus=2), waiting(2, gpus=0.5)], [], {}, BOX)
    assert started(decisions) == {"r0001": (1, ("A", "B"), 1.0)}


def test_fractions_share_one_gpu_up_to_the_whole_of_it_and_leave_others_whole():
    queue = [waiting(n, gpus=1 / 3) for n in range(1, 5)] + [waiting(5, gpus=1)]
    decisions = started(decide(queue, [], {}, BOX))
    assert [decisions[f"r000{n}"][1] for n in range(1, 5)] == [("A",), ("A",), ("A",), ("B",)]
    assert "r0005" not in decisions
    assert started(decide(queue[:1], [active(9, gpus=("B",), share=0.5)], {}, BOX))["r0001"][1] == ("B",)


def test_a_gpu_that_others_use_is_not_given():
    capacity = Capacity(cpus=8, gpus=("A", "B"), foreign=frozenset("A"))
    queue = [waiting(1), waiting(2), waiting(3, gpus=0.5)]
    assert started(decide(queue, [], {}, capacity)) == {"r0001": (1, ("B",), 1.0), "r0002": (1, (), 1.0)}


@pytest.mark.parametrize(
    ("resources", "capacity", "reason"),
    [
        ({"gpus": 4}, TWO, "required 4 GPUs, this machine has 0"),
        ({"gpus": 0.5}, TWO, "required 0.5 GPU, this machine has 0"),
        ({"gpus": 3}, BOX, "required 3 GPUs, this machine has 2"),
        ({"cpus": 3}, TWO, "required 3 CPUs, this machine has 2 for runs"),
    ],
)
def test_what_the_machine_can_never_give_fails_with_the_reason(resources, capacity, reason):
    run = waiting(1, **resources)
    assert decide([run], [], {}, capacity) == [Skip(run, Status.FAILED, reason)]


def test_while_the_driver_does_not_answer_gpu_runs_wait_and_others_go_on():
    silent = Capacity(cpus=8, gpus=None)
    queue = [waiting(1, gpus=1), waiting(2, gpus=0.5), waiting(3)]
    decisions = decide(queue, [], {}, silent)
    assert [type(d) for d in decisions] == [Wait, Wait, Start]


def test_a_run_waits_for_what_it_needs():
    run = waiting(5, needs=("r0001", "r0002", "r0003"))
    needed = {"r0001": ended(1, Status.DONE), "r0002": active(2), "r0003": waiting(3)}
    assert decide([run], [], needed, TWO) == [Wait(run, Status.BLOCKED, "waits for r0002, r0003")]
    needed |= {"r0002": ended(2, Status.DONE), "r0003": ended(3, Status.DONE)}
    assert started(decide([run], [], needed, TWO)) == {"r0005": (1, (), 1.0)}


@pytest.mark.parametrize("status", sorted(ENDED - {Status.DONE}))
def test_a_need_that_did_not_end_well_skips_the_run(status):
    run = waiting(5, needs=("r0001", "r0002"))
    (decision,) = decide([run], [], {"r0001": active(1), "r0002": ended(2, status)}, TWO)
    assert isinstance(decision, Skip) and decision.status is Status.SKIPPED
    assert decision.reason.startswith("needs r0002, which ")


@pytest.mark.parametrize("needed", [{}, {"r0001": None}])
def test_a_need_that_was_removed_skips_the_run(needed):
    run = waiting(5, needs=("r0001",))
    assert decide([run], [], needed, TWO) == [Skip(run, Status.SKIPPED, "needs r0001, which was removed")]


def test_blocked_runs_keep_nothing_from_others():
    queue = [waiting(1, needs=("r0009",), cpus=2), waiting(2)]
    assert started(decide(queue, [], {"r0009": active(9)}, TWO)) == {"r0002": (1, (), 1.0)}


requests = st.builds(
    dict,
    cpus=st.integers(1, 4),
    gpus=st.one_of(st.just("auto"), st.sampled_from([0, 0.25, 1 / 3, 0.5, 1, 2])),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(requests, max_size=12), st.sets(st.sampled_from("ABC")))
def test_nothing_is_given_twice_and_the_queue_empties(requested, foreign):
    """At each turn the oldest running one ends; others' GPUs are free again from the second turn on."""
    capacity = Capacity(cpus=4, gpus=("A", "B", "C"), foreign=frozenset())
    busy = Capacity(cpus=4, gpus=capacity.gpus, foreign=frozenset(foreign))
    queue = [waiting(n, **request) for n, request in enumerate(requested, 1)]
    running: list[Run] = []
    for machine in [busy, *[capacity] * (2 * len(queue) + 1)]:
        for decision in decide(queue, running, {}, machine):
            assert not isinstance(decision, Skip)
            if isinstance(decision, Start):
                queue.remove(decision.run)
                got = {"cpus": decision.cpus, "gpus": decision.gpus, "share": decision.share}
                running.append(active(int(decision.run.id[1:], 16), **got))
                assert machine is capacity or not foreign & set(decision.gpus)
        assert sum(run.claim.cpus for run in running) <= 4
        for uuid in capacity.gpus:
            shares = [run.claim.gpu_share for run in running if uuid in run.claim.gpus]
            assert sum(shares) <= 1 + 1e-9
        running = running[1:]
    assert queue == []
