"""A payroll run on the embedded file whose process is killed, or that several make at once."""

import signal
from itertools import groupby

import pytest
from django.db import connections

from payroll.models import PayCycle, Payslip, RodCoinsTransaction
from payroll.services.cycles import close_cycle, compute_cycle, post_cycle
from rodcorp.errors import Conflict
from tests.payroll.forking import DONE, REFUSED, WORKERS
from tests.payroll.paying import (
    ANN,
    approved,
    assert_paid_once,
    computed,
    draft,
    owing,
    posted,
    salary,
)
from tests.payroll.test_ledger_races import at_once
from tests.sides.running import processes

STEPS = {"compute": "computed", "bob": "approved", "post": "posted", "close_cycle": "closed"}


@pytest.fixture
def run(tmp_path):
    """`run("race")`: what the processes of `tests.payroll.forking` say."""
    with processes(tmp_path, MSSQL_HOST="") as start:
        yield lambda what: start("-m", "tests.payroll.forking", what).end()


def test_a_run_killed_at_any_statement_left_nothing_or_all_and_completes_once(run):
    said = run("killed")
    assert {line["step"] for line in said} == set(STEPS)
    before = "draft"
    for step, group in groupby(said, key=lambda line: line["step"]):
        *killed, last = list(group)
        assert [line["ended"] for line in killed] == [-signal.SIGKILL] * len(killed)
        assert len(killed) > 5
        # the one that was killed right after its commit had done it
        done = [line for line in killed if line["changed"]]
        assert len(done) == 1
        at = done[0]["at"]
        assert {line["state"] for line in killed[:at]} <= {before}
        assert {line["state"] for line in killed[at:]} == {STEPS[step]}
        assert (last["ended"], last["changed"]) == (REFUSED, False)
        before = STEPS[step]


def test_processes_that_post_at_once_pay_once(run):
    *refusals, ended = run("race")
    assert sorted(ended["ended"]) == [DONE] + [REFUSED] * (WORKERS - 1)
    assert len(refusals) == WORKERS - 1
    assert all(
        "Pay cycle 1 is posted and cannot be posted: close it next" in line["refusal"]
        for line in refusals
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("make", "step", "state"),
    [
        (draft, compute_cycle, "computed"),
        (approved, post_cycle, "posted"),
        (posted, close_cycle, "closed"),
    ],
)
def test_threads_that_make_a_step_at_once_make_it_once(make, step, state, make_agent):
    ada, bo = make_agent("Ada"), make_agent("Bo")
    salary(ada, 100, "1.50")
    salary(bo, 50)
    owing(bo, 30)
    cycle = make()

    errors = at_once(lambda number: step(actor=ANN, cycle=PayCycle.objects.get(pk=cycle.pk)), 8)

    assert len(errors) == 7
    assert all(isinstance(error, Conflict) for error in errors)
    connections.close_all()
    assert PayCycle.objects.get(number=1).state == state
    assert cycle.steps.filter(state=state).count() == 1
    assert Payslip.objects.count() == 2
    if state != "computed":
        assert_paid_once(cycle)


@pytest.mark.django_db(transaction=True)
def test_awards_while_a_cycle_is_computed_are_in_its_payslips_or_in_the_next_cycle(make_agent):
    from tests.payroll.paying import award

    agents = [make_agent(f"agent-{number}") for number in range(6)]
    cycle = draft()

    def work(number):
        if number == 0:
            computed(PayCycle.objects.get(pk=cycle.pk))
            return
        for _ in range(10):
            award(agents[number - 1], number)

    assert at_once(work, 7) == []
    ledger = RodCoinsTransaction.objects.filter(source_kind="direct")
    assert ledger.count() == 60
    explained = set(cycle.payslips.values_list("lines__transaction", flat=True))
    assert explained == set(ledger.filter(cycle=1).values_list("pk", flat=True))
    assert set(ledger.values_list("cycle", flat=True)) <= {1, 2}
