"""Whatever is earned, taken back and run in whatever order, the payslips explain the wallets."""

import itertools
from collections import Counter

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payroll.models import (
    LedgerAccount,
    PayCycle,
    Payslip,
    PayslipLine,
    RodCoinsTransaction,
    TransactionType,
)
from payroll.services.cycles import (
    approve_cycle,
    close_cycle,
    compute_cycle,
    open_cycle,
    post_cycle,
    reopen_cycle,
)
from payroll.services.ledger import reverse_transaction
from rodcorp.errors import RodCorpError
from tests.payroll.paying import ANN, BOB, ENDS, STARTS, SYSTEM, award, from_rows, salary

pytestmark = pytest.mark.django_db

# each example has agents of its own, and goes on with the cycles of those before it: nothing of
# the ledger can be deleted in between
COMPANIES = itertools.count()

AGENT = st.integers(0, 1)
MOVE = st.one_of(
    st.tuples(
        st.just("award"),
        AGENT,
        st.integers(1, 90),
        st.sampled_from(["earned", "bonus", "adjustment", "deduction"]),
    ),
    st.tuples(st.just("reverse"), st.integers(0, 20)),
    st.just(("onwards",)),
    st.just(("onwards",)),
    st.just(("back",)),
)
MULTIPLIERS = st.decimals(min_value=0, max_value=3, places=2)


def onwards():
    cycle = PayCycle.objects.first_in("draft", "computed", "approved", "posted")
    if cycle is None:
        open_cycle(actor=ANN, starts_at=STARTS, ends_at=ENDS)
    elif cycle.state == "draft":
        compute_cycle(actor=ANN, cycle=cycle)
    elif cycle.state == "computed":
        approve_cycle(actor=BOB, cycle=cycle)
    elif cycle.state == "approved":
        post_cycle(actor=ANN, cycle=cycle)
    else:
        close_cycle(actor=ANN, cycle=cycle)


def back():
    cycle = PayCycle.objects.first_in("computed", "approved")
    if cycle is not None:
        reopen_cycle(actor=BOB, cycle=cycle, reason="Once more")


def make(move, agents):
    match move:
        case ("award", who, amount, kind):
            award(agents[who], amount, kind)
        case ("reverse", position):
            # a reversed recovery or advance moves a debt, which no payslip shows
            rows = RodCoinsTransaction.objects.filter(agent__in=agents).exclude(
                transaction_type=TransactionType.TRANSFER
            )
            found = list(rows.order_by("created_at"))
            if found:
                reverse_transaction(
                    actor=SYSTEM, transaction=found[position % len(found)], reason="x"
                )
        case ("onwards",):
            onwards()
        case ("back",):
            back()


def signed(row, wallet):
    return row.amount if row.target_id == wallet.pk else -row.amount


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    moves=st.lists(MOVE, max_size=16),
    base=st.integers(0, 200),
    seniority=MULTIPLIERS,
    performance=MULTIPLIERS,
)
def test_the_payslips_explain_the_wallets(moves, base, seniority, performance, make_agent):
    company = f"company-{next(COMPANIES)}"
    agents = [make_agent(name, project=company) for name in ("A", "B")]
    salary(agents[0], base, seniority, performance)
    salary(agents[1], 50)
    for move in moves:
        try:
            make(move, agents)
        except RodCorpError:
            continue

    slips = list(Payslip.objects.filter(agent__in=agents).select_related("cycle"))
    for slip in slips:
        lines = slip.lines.all()
        assert slip.net == sum(line.amount for line in lines)
        assert slip.due == sum(line.amount for line in lines if line.transaction_id is None) >= 0
        paid = RodCoinsTransaction.objects.filter(source_key=str(slip.pk))
        amounts = dict(paid.values_list("source_kind", "amount"))
        is_posted = slip.cycle.state in ("posted", "closed")
        salaries = {"payslip": slip.due + slip.recovered, "recovery": slip.recovered}
        assert amounts == {kind: sum_ for kind, sum_ in salaries.items() if is_posted and sum_}

    explained = PayslipLine.objects.filter(payslip__agent__in=agents).exclude(transaction=None)
    by_row = Counter(explained.values_list("transaction", flat=True))
    pay = RodCoinsTransaction.objects.filter(agent__in=agents).exclude(
        transaction_type__in=["salary", "transfer"]
    )
    states = dict(PayCycle.objects.values_list("number", "state"))
    frozen = [row.pk for row in pay if states.get(row.cycle, "draft") != "draft"]
    assert by_row == Counter(frozen)

    for agent in agents:
        accounts = {row.kind: row for row in LedgerAccount.objects.filter(agent=agent)}
        for account in accounts.values():
            assert account.balance == from_rows(account)
        if "wallet" not in accounts:
            continue
        open_rows = [row for row in pay if row.agent_id == agent.pk and row.pk not in by_row]
        own = sum(slip.net for slip in slips if slip.agent_id == agent.pk)
        unpaid = sum(
            slip.due
            for slip in slips
            if slip.agent_id == agent.pk and slip.cycle.state in ("computed", "approved")
        )
        assert accounts["wallet"].balance == own - unpaid + sum(
            signed(row, accounts["wallet"]) for row in open_rows
        ) + _advanced(agent)


def _advanced(agent):
    """What was advanced for reversals; payslips show only what is recovered of it."""
    advances = RodCoinsTransaction.objects.filter(agent=agent, source_kind="advance")
    return advances.aggregate(sum=Sum("amount"))["sum"] or 0
