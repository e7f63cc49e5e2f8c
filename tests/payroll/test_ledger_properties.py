"""Whatever is done in whatever order, the books add up."""

import itertools

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Agent
from payroll.models import EARNING_TYPES, LedgerAccount, RodCoinsTransaction
from payroll.services.ledger import award_rodcoins, reverse_transaction, transfer
from rodcorp.actors import Actor
from rodcorp.errors import RodCorpError

pytestmark = pytest.mark.django_db

# each example has agents of its own: ledger rows cannot be deleted in between
COMPANIES = itertools.count()

AMOUNT = st.integers(min_value=1, max_value=500)
AGENT = st.integers(min_value=0, max_value=2)
STEP = st.one_of(
    st.tuples(st.just("award"), AGENT, AMOUNT, st.sampled_from(["earned", "bonus", "adjustment"])),
    st.tuples(st.just("award"), AGENT, AMOUNT, st.just("deduction")),
    st.tuples(st.just("transfer"), AGENT, AGENT, AMOUNT),
    st.tuples(st.just("reverse"), st.integers(min_value=0, max_value=30)),
)


def take(step, agents, actor):
    match step:
        case ("award", who, amount, kind):
            award_rodcoins(
                actor=actor,
                agent=agents[who],
                amount=amount,
                description="x",
                transaction_type=kind,
            )
        case ("transfer", source, target, amount):
            transfer(
                actor=actor,
                source=agents[source],
                target=agents[target],
                amount=amount,
                description="x",
            )
        case ("reverse", position):
            rows = list(RodCoinsTransaction.objects.filter(agent__in=agents).order_by("created_at"))
            if rows:
                row = rows[position % len(rows)]
                reverse_transaction(actor=actor, transaction=row, reason="x")


def from_rows(account):
    received = account.receipts.aggregate(sum=Sum("amount"))["sum"] or 0
    paid = account.payments.aggregate(sum=Sum("amount"))["sum"] or 0
    return received - paid


def earned(agent):
    rows = RodCoinsTransaction.objects.filter(agent=agent).select_related("reverses")
    return sum(
        row.amount
        if row.transaction_type in EARNING_TYPES
        else -row.amount
        if row.reverses and row.reverses.transaction_type in EARNING_TYPES
        else 0
        for row in rows
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, max_size=12))
def test_the_books_add_up_after_any_sequence(steps, make_agent):
    company = f"company-{next(COMPANIES)}"
    agents = [make_agent(name, project=company) for name in ("A", "B", "C")]
    for step in steps:
        try:
            take(step, agents, Actor.system("property"))
        except RodCorpError:
            continue
    for account in LedgerAccount.objects.filter(agent__in=agents):
        assert account.balance == from_rows(account)
        assert account.balance >= 0 or account.kind == "debt"
        assert account.balance <= 0 or account.kind == "wallet"
    for agent in Agent.objects.filter(project=company):
        assert agent.total_rodcoins_earned == earned(agent)
    reversed_rows = RodCoinsTransaction.objects.exclude(reverses=None)
    assert len({row.reverses_id for row in reversed_rows}) == len(reversed_rows)
