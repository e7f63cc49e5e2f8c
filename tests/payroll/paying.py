"""What tests of pay cycles share."""

from datetime import UTC, datetime
from decimal import Decimal

from django.db.models import Sum

from agents.models import Agent
from payroll.models import LedgerAccount, PayCycle, Payslip, PayslipLine, RodCoinsTransaction
from payroll.services.cycles import (
    approve_cycle,
    close_cycle,
    compute_cycle,
    open_cycle,
    post_cycle,
)
from payroll.services.ledger import award_rodcoins, reverse_transaction
from payroll.services.salaries import set_salary
from rodcorp.actors import Actor, ActorKind, Role

STARTS, ENDS, LATER = (datetime(2030, 1, day, tzinfo=UTC) for day in (1, 15, 29))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

SYSTEM = Actor.system("test")
ANN = Actor(ActorKind.USER, "6f1c54a4-0000-4000-8000-000000000001", "Ann", role=Role.PAYROLL)
BOB = Actor(ActorKind.USER, "6f1c54a4-0000-4000-8000-000000000002", "Bob", role=Role.PAYROLL)


def draft(**times):
    return open_cycle(actor=ANN, **{"starts_at": STARTS, "ends_at": ENDS, **times})


def computed(cycle=None):
    return compute_cycle(actor=ANN, cycle=cycle or draft())


def approved(cycle=None):
    return approve_cycle(actor=BOB, cycle=computed(cycle))


def posted(cycle=None):
    return post_cycle(actor=ANN, cycle=approved(cycle))


def closed(cycle=None):
    return close_cycle(actor=ANN, cycle=posted(cycle))


IN_STATE = {
    "draft": draft,
    "computed": computed,
    "approved": approved,
    "posted": posted,
    "closed": closed,
}


def salary(agent, base=100, seniority=None, performance=None, bonus=0, since=LONG_AGO):
    return set_salary(
        actor=SYSTEM,
        agent=agent,
        base_salary=base,
        seniority_multiplier=seniority,
        performance_multiplier=performance,
        bonus=bonus,
        effective_from=since,
    )


def award(agent, amount=10, kind="earned", text="For the demo"):
    return award_rodcoins(
        actor=SYSTEM, agent=agent, amount=amount, description=text, transaction_type=kind
    )


def owing(agent, amount):
    """An agent that spent what it had to give back."""
    paid = award(agent, amount, "bonus")
    award(agent, amount, "deduction")
    reverse_transaction(actor=SYSTEM, transaction=paid, reason="Paid by mistake")


def lines_of(agent, cycle=None):
    """Kind, basis and amount of an agent's lines."""
    found = PayslipLine.objects.filter(payslip__agent=agent).order_by("position")
    if cycle is not None:
        found = found.filter(payslip__cycle=cycle)
    return [(line.kind, line.basis, line.amount) for line in found]


def payslips():
    """Everything the payslips say, by agent and position."""
    return list(
        PayslipLine.objects.order_by("payslip__agent__name", "position").values_list(
            "pk",
            "payslip",
            "payslip__agent__name",
            "payslip__net",
            "payslip__due",
            "payslip__recovered",
            "position",
            "kind",
            "label",
            "basis",
            "amount",
            "transaction",
        )
    )


def state_of(cycle, alias=None):
    return PayCycle.objects.using(alias).get(pk=cycle.pk).state


def from_rows(account):
    received = account.receipts.aggregate(sum=Sum("amount"))["sum"] or 0
    return received - (account.payments.aggregate(sum=Sum("amount"))["sum"] or 0)


def assert_paid_once(cycle):
    """Each payslip was paid, once, what it says; and the books add up."""
    ledger = RodCoinsTransaction.objects.filter(cycle=cycle.number)
    paid = {row.source_key: row for row in ledger.filter(source_kind="payslip")}
    kept = {row.source_key: row for row in ledger.filter(source_kind="recovery")}
    slips = list(Payslip.objects.filter(cycle=cycle))
    assert any(slip.due or slip.recovered for slip in slips)
    for slip in slips:
        salary, recovery = paid.pop(str(slip.pk), None), kept.pop(str(slip.pk), None)
        assert (salary.amount if salary else 0) == slip.due + slip.recovered
        assert (recovery.amount if recovery else 0) == slip.recovered
    assert (paid, kept) == ({}, {})
    for account in LedgerAccount.objects.exclude(agent=None):
        assert account.balance == from_rows(account)
        assert account.balance >= 0 or account.kind == "debt"


def rated(agent, rating):
    Agent.objects.filter(pk=agent.pk).update(performance_rating=Decimal(rating))
