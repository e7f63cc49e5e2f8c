"""Pay cycles where there are two databases: they move on SQL Server, or not at all."""

import pytest

from payroll.models import LedgerAccount, PayCycle, PayCycleStep, Payslip, RodCoinsTransaction
from payroll.services.cycles import (
    approve_cycle,
    close_cycle,
    compute_cycle,
    open_cycle,
    post_cycle,
    reopen_cycle,
)
from rodcorp.databases import switching
from rodcorp.databases.models import Conflict
from rodcorp.databases.sync.healing import Healer
from rodcorp.errors import Unavailable
from tests.payroll.paying import (
    ANN,
    BOB,
    ENDS,
    IN_STATE,
    LATER,
    SYSTEM,
    approved,
    assert_paid_once,
    award,
    draft,
    owing,
    salary,
)

STEPS = {
    "draft": lambda cycle: compute_cycle(actor=ANN, cycle=cycle),
    "computed": lambda cycle: approve_cycle(actor=BOB, cycle=cycle),
    "approved": lambda cycle: post_cycle(actor=ANN, cycle=cycle),
    "posted": lambda cycle: close_cycle(actor=ANN, cycle=cycle),
}


@pytest.fixture
def agents(source, make_agent):
    """Ada, who earned something, and Bo, who owes."""
    ada, bo = make_agent("Ada"), make_agent("Bo")
    salary(ada, 100, "1.50")
    salary(bo, 60)
    owing(bo, 25)
    award(ada, 8)
    return ada, bo


@pytest.fixture
def home(source, feed):
    def heal():
        healed = Healer(source).heal("test")
        feed.pull()
        return healed

    return heal


def on(alias):
    """The cycle's state, its payslips and steps, and what its payslips moved."""
    ledger = RodCoinsTransaction.objects.using(alias)
    return (
        PayCycle.objects.using(alias).get(number=1).state,
        Payslip.objects.using(alias).count(),
        PayCycleStep.objects.using(alias).count(),
        ledger.filter(source_kind__in=["payslip", "recovery"]).count(),
    )


def outcome(step, cycle):
    """Whether it was done, and else what was said."""
    try:
        step(cycle)
    except Unavailable as refusal:
        return False, refusal.message
    return True, ""


@pytest.mark.parametrize("state", STEPS)
def test_on_the_copy_a_step_is_refused_and_says_since_when(state, company, agents, feed):
    cycle = IN_STATE[state]()
    feed.pull()
    switching.to_copy("maintenance")
    before = on("sqlite")
    with pytest.raises(Unavailable, match=r"SQL Server only.*away from since 20\d\d-.*Repeat it"):
        STEPS[state](cycle)
    assert on("sqlite") == before
    assert company.journal() == []


@pytest.mark.parametrize("state", ["computed", "approved"])
def test_on_the_copy_nothing_is_reopened(state, company, agents, feed):
    cycle = IN_STATE[state]()
    feed.pull()
    switching.to_copy("maintenance")
    with pytest.raises(Unavailable, match="Re-opening cycle 1 is done on SQL Server only"):
        reopen_cycle(actor=ANN, cycle=cycle, reason="x")
    assert on("sqlite")[:2] == (state, 2)


@pytest.mark.parametrize("state", ["draft", "approved", "posted"])
def test_where_the_primary_is_lost_at_any_statement_of_a_step_it_is_done_once_later(
    state, company, agents, feed, home, same
):
    """Refused, nothing of it on either side, and done when it is repeated after the way home."""
    cycle = IN_STATE[state]()
    feed.pull()
    before, at = on("sqlite"), 0
    while True:
        seen = PayCycle.objects.get(pk=cycle.pk)
        company.link.fail("execute", "reset", after=at, cuts=True)
        done, said = outcome(STEPS[state], seen)
        if done:
            break
        assert "is done on SQL Server only" in said
        assert "has not said whether" not in said
        assert company.mode == "fallback"
        assert on("sqlite") == before
        company.link.mend()
        assert on("mssql") == before
        home()
        at += 1
    assert at > 10
    company.link.mend()
    assert on("mssql")[0] == {"draft": "computed", "approved": "posted", "posted": "closed"}[state]
    assert on("mssql")[2] == before[2] + (1 if state != "draft" else 2)
    if state != "draft":
        assert_paid_once(cycle)
    feed.pull()
    same()


@pytest.mark.parametrize(
    ("phase", "posted", "words"),
    [("commit_before", False, "SQL Server only"), ("commit_after", True, "has not said whether")],
)
def test_where_the_answer_to_the_commit_is_lost_nothing_is_paid_twice(
    phase, posted, words, company, agents, feed, home, same
):
    cycle = approved()
    feed.pull()
    company.link.fail(phase, "reset", cuts=True)
    with pytest.raises(Unavailable, match=words):
        post_cycle(actor=ANN, cycle=cycle, key="k")
    assert on("sqlite")[0] == "approved"
    company.link.mend()
    home()
    assert (on("mssql")[0] == "posted") == posted
    again = post_cycle(actor=ANN, cycle=PayCycle.objects.get(pk=cycle.pk), key="k")
    assert again.state == "posted"
    assert_paid_once(cycle)
    feed.pull()
    same()


@pytest.mark.parametrize("state", ["computed", "posted", "closed"])
def test_what_was_earned_on_the_copy_meanwhile_is_booked_in_the_open_cycle(
    state, company, agents, feed, home, same
):
    ada, _ = agents
    cycle = draft()
    feed.pull()
    switching.to_copy("test")
    earned = award(ada, 7)
    assert earned.cycle == 1
    with company.writing_there():
        IN_STATE[state](PayCycle.objects.using("mssql").get(pk=cycle.pk))
    payslips = list(Payslip.objects.using("mssql").order_by("net").values_list("net", "due"))
    assert home().quarantined == 0
    row = RodCoinsTransaction.objects.using("mssql").get(pk=earned.pk)
    assert (row.cycle, row.occurred_at, row.amount) == (2, earned.occurred_at, 7)
    found = Payslip.objects.using("mssql").order_by("net").values_list("net", "due")
    assert list(found) == payslips
    wallet = LedgerAccount.objects.using("mssql").get(agent=ada, kind="wallet")
    assert wallet.balance == 8 + 7 + (0 if state == "computed" else 150)
    same()


def test_a_cycle_both_sides_opened_is_one(company, agents, feed, home, same):
    draft()
    feed.pull()
    switching.to_copy("test")
    open_cycle(actor=SYSTEM, ends_at=LATER)
    with company.writing_there():
        open_cycle(actor=SYSTEM, ends_at=LATER)
    assert home().quarantined == 0
    found = PayCycle.objects.using("mssql").order_by("number")
    assert list(found.values_list("number", "ends_at")) == [(1, ENDS), (2, LATER)]
    # who opened it there, and who here
    assert company.on("mssql", PayCycleStep) == 3
    assert company.on("mssql", Conflict) == 0
    same()
