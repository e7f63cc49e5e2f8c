"""What follows from the ledger, made anew from it."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent
from payroll.models import LedgerAccount, Standing
from payroll.proof import prove
from payroll.services.ledger import balance_of, reverse_transaction, transfer
from payroll.services.rebuilding import NAMED, rebuild_balances
from rodcorp.actors import Actor, ActorKind
from rodcorp.databases.sides import active_alias
from rodcorp.errors import Conflict, PermissionRefused
from tests.payroll.tampering import SYSTEM, close, open_cycle, pay

pytestmark = pytest.mark.django_db


@pytest.fixture
def company(make_agent):
    """Ada and Bob, with all kinds of rows, over two cycles."""
    ada, bob = make_agent("Ada"), make_agent("Bob")
    open_cycle(1)
    first = pay(ada, 100)
    pay(bob, 50, "bonus")
    close(1)
    transfer(actor=SYSTEM, source=ada, target=bob, amount=80, description="x")
    reverse_transaction(actor=SYSTEM, transaction=first, reason="x")
    pay(bob, 7, "deduction")
    rebuild_balances(actor=SYSTEM)
    return ada, bob


def derived():
    balances = {
        (account.agent_id, account.kind): account.balance for account in LedgerAccount.objects.all()
    }
    totals = dict(Agent.objects.values_list("pk", "total_rodcoins_earned"))
    standings = Standing.objects.values_list("period", "agent", "earned", "bonus", "total")
    return balances, totals, sorted(standings, key=str)


def spoil(ada):
    LedgerAccount.objects.filter(agent=ada, kind="wallet").update(balance=12)
    LedgerAccount.objects.filter(agent=ada, kind="debt").update(balance=None)
    Agent.objects.filter(pk=ada.pk).update(total_rodcoins_earned=99)
    Standing.objects.filter(agent=ada).update(total=5)


def test_what_was_right_stays_as_it_is(company):
    before = derived()
    rebuilt = rebuild_balances(actor=SYSTEM)
    assert (rebuilt.count, rebuilt.named) == (0, [])
    assert derived() == before


def test_what_was_wrong_is_made_right_counted_and_named(company):
    ada, _ = company
    before = derived()
    standings = Standing.objects.filter(agent=ada).count()
    spoil(ada)
    rebuilt = rebuild_balances(actor=SYSTEM)
    assert derived() == before
    assert prove(active_alias()).flaws == []
    assert rebuilt.differed["LedgerAccounts"] == 2
    assert rebuilt.differed["GlobalAgentRegistry"] == 1
    assert rebuilt.differed["Standings"] == standings
    said = " ".join(rebuilt.named)
    assert "holds 12; by the ledger it is 0" in said
    assert "holds 0; by the ledger it is -80" in said
    assert "Ada has earned 99; by the ledger it is 0" in said


def test_of_many_only_some_are_named(company, make_agent):
    for number in range(NAMED + 5):
        pay(make_agent(f"agent-{number}"), 1)
    Agent.objects.update(total_rodcoins_earned=1_000)
    rebuilt = rebuild_balances(actor=SYSTEM)
    assert len(rebuilt.named) == NAMED
    assert rebuilt.differed["GlobalAgentRegistry"] == NAMED + 7


def test_a_dry_run_says_the_same_and_changes_nothing(company):
    ada, _ = company
    spoil(ada)
    before = derived()
    would = rebuild_balances(actor=SYSTEM, dry_run=True)
    assert derived() == before
    assert would == rebuild_balances(actor=SYSTEM)


def test_it_is_all_or_nothing(company, monkeypatch):
    """If what was made anew is still wrong, nobody finds it half made."""
    ada, _ = company
    spoil(ada)
    before = derived()

    def rebuild_badly(alias):
        LedgerAccount.objects.filter(agent=ada, kind="wallet").update(balance=13)

    monkeypatch.setattr("payroll.services.rebuilding.rebuild_derived", rebuild_badly)
    with pytest.raises(Conflict, match=r"nothing was written.*verify_ledger"):
        rebuild_balances(actor=SYSTEM)
    assert derived() == before


@pytest.mark.parametrize(
    "actor",
    [
        Actor(ActorKind.AGENT, "x", "Ada"),
        *(Actor(ActorKind.USER, "x", "x", role) for role in ("viewer", "supervisor", "operator")),
    ],
)
def test_only_who_runs_payroll_may(company, actor):
    spoil(company[0])
    before = derived()
    with pytest.raises(PermissionRefused):
        rebuild_balances(actor=actor)
    assert derived() == before


def rebuild(*arguments):
    said = StringIO()
    call_command("rebuild_balances", *arguments, stdout=said)
    return said.getvalue()


def test_the_command_says_what_differed_and_what_was_proved(company):
    spoil(company[0])
    assert "Dry run: all of it was undone." in rebuild("--dry-run")
    assert balance_of(company[0]) == 12
    said = rebuild()
    assert "WRONG " in said
    assert "LedgerAccounts: 2 rows differed" in said
    assert "equal to the sums of the ledger" in said
    assert "LedgerAccounts: 0 rows differed" in rebuild()


def test_the_command_fails_when_it_cannot_be_proved(company, monkeypatch):
    spoil(company[0])
    monkeypatch.setattr("payroll.services.rebuilding.rebuild_derived", lambda alias: None)
    with pytest.raises(CommandError, match="nothing was written"):
        rebuild()
